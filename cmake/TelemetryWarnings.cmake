# telemetry_warnings: what gcc and clang must both have nothing to say about.

add_library(telemetry_warnings INTERFACE)
target_compile_options(telemetry_warnings INTERFACE
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wconversion
    -Wsign-conversion
    -Wstrict-prototypes
    -Wmissing-prototypes
    -Wcast-qual
    -Wwrite-strings
    -Wformat=2
    -Wundef
    -Wvla
    $<$<BOOL:${TELEMETRY_WERROR}>:-Werror>)
target_link_options(telemetry_warnings INTERFACE
    $<$<BOOL:${TELEMETRY_WERROR}>:LINKER:--fatal-warnings>)
