# telemetry_language: the C that every target of ours is written in.

add_library(telemetry_language INTERFACE)
target_compile_features(telemetry_language INTERFACE c_std_11)
target_compile_definitions(telemetry_language INTERFACE
    _GNU_SOURCE=
    TELEMETRY_VERSION="${PROJECT_VERSION}")
