import signal

import pytest

from coldstart.cli.interrupt import listen_to_signals


def test_first_interrupt_stops_and_second_aborts(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with listen_to_signals() as requests:
        assert not requests.should_stop()
        signal.raise_signal(signal.SIGINT)
        assert requests.should_stop()
        assert not requests.should_suspend()
        assert "Ctrl-C again aborts" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_terminate_suspends_a_run_that_is_stopping_too(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with listen_to_signals() as requests:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert requests.should_suspend()
        assert "Suspending" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_interrupt_after_terminate_aborts() -> None:
    with listen_to_signals():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
