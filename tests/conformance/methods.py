"""A gRPC service of the scenarios, with the protos that describe it: one of them imports the other."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.struct_pb2 import Struct

PROTOS = {
    "greeter.proto": b"""syntax = "proto3";
package conformance;
import 'shared/number.proto';
import "google/protobuf/struct.proto";
service Greeter {
  rpc Greet (google.protobuf.Struct) returns (google.protobuf.Struct);
  rpc Enter (google.protobuf.Struct) returns (google.protobuf.Struct);
  rpc Hang (google.protobuf.Struct) returns (google.protobuf.Struct);
  rpc Count (Number) returns (stream Number);
  rpc Last (stream Number) returns (Number);
}
""",
    "shared/number.proto": b'syntax = "proto3"; package conformance; message Number { int64 n = 1; optional string word = 2; }',
    "broken.proto": b'syntax = "proto3"; message {',
}


def _number() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="number.proto", package="conformance", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    field = file.message_type.add(name="Number").field.add(name="n", number=1, json_name="n")
    field.type, field.label = kinds.TYPE_INT64, kinds.LABEL_OPTIONAL
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("conformance.Number"))


class _Greeter(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Says hello, lets in, hangs, counts."""

    def __init__(self) -> None:
        self.number, self.over = _number(), threading.Event()

    def service(self, details: Any) -> Any:
        match details.method.rpartition("/")[2]:
            case "Count":
                return grpc.unary_stream_rpc_method_handler(self.count)
            case "Last":
                return grpc.stream_unary_rpc_method_handler(self.last)
            case "Enter":
                return grpc.unary_unary_rpc_method_handler(self.enter)
            case "Hang":
                return grpc.unary_unary_rpc_method_handler(self.hang)
            case _:
                return grpc.unary_unary_rpc_method_handler(self.greet)

    def greet(self, request: bytes, context: Any) -> bytes:
        given = dict(Struct.FromString(request))
        if "name" not in given:
            context.abort(grpc.StatusCode.NOT_FOUND, f"not {given.get('refuse', 'anybody')}")
        return _struct(said=f"hello {given['name']}")

    def enter(self, request: bytes, context: Any) -> bytes:
        if dict(context.invocation_metadata()).get("authorization") != "Bearer t1":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        return _struct(authenticated=True)

    def hang(self, request: bytes, context: Any) -> bytes:
        context.add_callback(self.over.set)  # a cancel, too
        self.over.wait()
        return _struct()

    def count(self, request: bytes, context: Any) -> Iterator[bytes]:
        for n in range(self.number.FromString(request).n):
            yield self.number(n=n).SerializeToString()

    def last(self, requests: Iterator[bytes], context: Any) -> bytes:
        return list(requests)[-1]


def _struct(**fields: Any) -> bytes:
    answer = Struct()
    answer.update(fields)
    encoded: bytes = answer.SerializeToString()
    return encoded


@contextmanager
def greeter() -> Iterator[int]:
    """The port of a server on loopback."""
    handler = _Greeter()
    server = grpc.server(ThreadPoolExecutor(8), handlers=(handler,))
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        handler.over.set()
        server.stop(None).wait(5)
