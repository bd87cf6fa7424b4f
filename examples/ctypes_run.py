#!/usr/bin/env python3
"""The client library from Python, by ctypes: any language that can load a shared object can do this."""
import ctypes
import json

lib = ctypes.CDLL("libtelemetry.so.0")
for name in ("telemetry_client_open", "telemetry_run_start"):
    getattr(lib, name).restype = ctypes.c_void_p
lib.telemetry_client_open.argtypes = [ctypes.c_void_p] * 2
lib.telemetry_run_start.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
                                    ctypes.c_void_p, ctypes.c_void_p]
lib.telemetry_run_log_event.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
                                        ctypes.c_void_p]
lib.telemetry_run_add.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64, ctypes.c_void_p]
lib.telemetry_run_end.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p]
lib.telemetry_run_free.argtypes = [ctypes.c_void_p]
lib.telemetry_client_close.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
SUCCESS = 0

client = lib.telemetry_client_open(None, None)
run = lib.telemetry_run_start(client, b"importer", b"ctypes", None, None)
lib.telemetry_run_log_event(run, b"page", json.dumps({"number": 1}).encode(), None)
lib.telemetry_run_add(run, b"items_succeeded", 4, None)
lib.telemetry_run_end(run, SUCCESS, b"4 pages", None)
lib.telemetry_run_free(run)
lib.telemetry_client_close(client, 1000, None)
