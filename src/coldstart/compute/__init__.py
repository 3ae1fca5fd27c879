"""OpenCL without cryo-EM: devices, programs, buffers."""
