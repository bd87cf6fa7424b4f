# telemetry_instrumentation: sanitizers and coverage, for every target that does not end up in the
# shim. A sanitizer's runtime has to be the first library of a process, which a preloaded object in
# somebody else's program cannot promise.

add_library(telemetry_instrumentation INTERFACE)

if(TELEMETRY_SANITIZERS)
    target_compile_options(telemetry_instrumentation INTERFACE
        -fsanitize=address,undefined
        -fno-sanitize-recover=undefined
        -fno-omit-frame-pointer)
    target_link_options(telemetry_instrumentation INTERFACE -fsanitize=address,undefined)
endif()

if(TELEMETRY_COVERAGE)
    target_compile_options(telemetry_instrumentation INTERFACE --coverage -O0)
    target_link_options(telemetry_instrumentation INTERFACE --coverage)
endif()
