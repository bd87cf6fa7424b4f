# The shim once more, for 32-bit x86 programs (Debian: gcc-multilib). TELEMETRY_SHIM32 says whether it is
# built; telemetry_shim32_code is how, in addition to telemetry_shim_code. The collector that it talks to is
# the one and only.

include(CheckCSourceCompiles)

option(TELEMETRY_32BIT "Build the shim for 32-bit programs, too, where the compiler can" ON)

unset(TELEMETRY_HAVE_32BIT CACHE) # a package may have been installed, or removed
set(CMAKE_REQUIRED_FLAGS -m32)
check_c_source_compiles("
    #ifndef __i386__
    #error
    #endif
    #include <sys/stat.h>
    int main(int argc, char **argv)
    {
        struct stat st;
        return stat(argv[0], &st) < 0 ? 1 : (int)((long long)st.st_size / argc);
    }" TELEMETRY_HAVE_32BIT)
unset(CMAKE_REQUIRED_FLAGS)

set(TELEMETRY_SHIM32 OFF)
if(TELEMETRY_32BIT AND TELEMETRY_HAVE_32BIT)
    set(TELEMETRY_SHIM32 ON)
elseif(TELEMETRY_32BIT AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    message(STATUS "The shim for 32-bit programs is left out: "
        "the compiler makes none (Debian: gcc-multilib)")
endif()

add_library(telemetry_shim32_code INTERFACE)
target_compile_options(telemetry_shim32_code INTERFACE
    -m32
    # No SSE: a program's stack may be aligned to 4 bytes, and its machine may have none.
    -march=i686)
target_compile_definitions(telemetry_shim32_code INTERFACE
    # The forms of libc's structures that the kernel has, too (core/src/base/sys.c).
    _FILE_OFFSET_BITS=64
    _TIME_BITS=32)
target_link_options(telemetry_shim32_code INTERFACE -m32)

# telemetry_loader_lib(OUT LOADER OTHERWISE): what this loader puts in the place of $LIB, such as lib32.
# glibc tells from 2.33 on.
function(telemetry_loader_lib out loader otherwise)
    execute_process(COMMAND "${loader}" --list-diagnostics
        OUTPUT_VARIABLE diagnostics ERROR_QUIET RESULT_VARIABLE result)
    if(result EQUAL 0 AND diagnostics MATCHES "dl_dst_lib=\"([^\"]+)\"")
        set(otherwise "${CMAKE_MATCH_1}")
    endif()
    set(${out} "${otherwise}" PARENT_SCOPE)
endfunction()

if(TELEMETRY_SHIM32)
    if(CMAKE_LIBRARY_ARCHITECTURE)
        telemetry_loader_lib(lib64 /lib64/ld-linux-x86-64.so.2 "lib/${CMAKE_LIBRARY_ARCHITECTURE}")
    else()
        telemetry_loader_lib(lib64 /lib64/ld-linux-x86-64.so.2 lib64)
    endif()
    telemetry_loader_lib(lib32 /lib/ld-linux.so.2 lib32)
    set(TELEMETRY_LOADER_LIBDIR "${lib64}" CACHE STRING "What $LIB is for 64-bit programs")
    set(TELEMETRY_LIBDIR32 "${lib32}" CACHE STRING
        "Where the 32-bit shim is installed: what $LIB is for 32-bit programs")
endif()
