"""The napari plugin: a form, a check, a live view and the results, on top of `coldstart.api`.

The only room that imports napari, magicgui and qtpy. `napari.yaml` names what napari calls; nothing here is imported,
and no OpenCL device is looked at, before it does.
"""
