"""Control calls between the parts of a run: on loopback, in time, and with errors that name the part."""

from __future__ import annotations

from loadtest.processes.http_control import free_port, is_loopback, port_taken, reachable


def test_loopback_is_told_from_elsewhere_by_all_of_a_names_addresses() -> None:
    assert is_loopback("http://127.0.0.1:8000/v1")
    assert is_loopback("http://localhost:1")
    assert is_loopback("http://[::1]:80")
    assert not is_loopback("http://192.0.2.7:80")
    assert not is_loopback("http://0.0.0.0:80")
    assert not is_loopback("nonsense")


def test_free_ports_are_free_and_taken_ones_are_taken() -> None:
    import socket

    assert port_taken(free_port()) == ""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert port_taken(port) == "Address already in use"
        assert reachable(f"http://127.0.0.1:{port}")
    assert not reachable(f"http://127.0.0.1:{port}")
