"""The entry points of `wambench serve` and `wambench inspect mapping`, one for each protocol."""

from __future__ import annotations

from wambench.protocol import SuiteSpec
from wambench.wire import Given, ServeRequest
from wambench_policies.remote.mapping import load_mapping


class GR00T:
    """GR00T's ZMQ protocol."""

    default_port = 5555

    def mapping(self, spec: SuiteSpec, given: Given) -> str:
        """The mapping as YAML."""
        return load_mapping("groot", spec, given).to_yaml()

    def serve(self, request: ServeRequest) -> None:
        """Serves until interrupted."""
        from wambench_policies.remote.groot_server import GR00TServer
        from wambench_policies.remote.served import ServedPolicy

        GR00TServer(ServedPolicy("groot", request), request).run()


class OpenPI:
    """openpi's websocket protocol."""

    default_port = 8000

    def mapping(self, spec: SuiteSpec, given: Given) -> str:
        """The mapping as YAML."""
        return load_mapping("openpi", spec, given).to_yaml()

    def serve(self, request: ServeRequest) -> None:
        """Serves until interrupted."""
        from wambench_policies.remote.openpi_server import OpenPIServer
        from wambench_policies.remote.served import ServedPolicy

        OpenPIServer(ServedPolicy("openpi", request), request).run()
