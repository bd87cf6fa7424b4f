# telemetry_shim_code: how code is compiled that runs inside somebody else's process, whatever the
# build type, the environment's CFLAGS or the other options say.

include(CheckCCompilerFlag)

# A kilobyte less than -Os; GCC has it from 12 on.
check_c_compiler_flag(-Oz TELEMETRY_HAVE_OZ)

add_library(telemetry_shim_code INTERFACE)
target_compile_options(telemetry_shim_code INTERFACE
    $<IF:$<BOOL:${TELEMETRY_HAVE_OZ}>,-Oz,-Os>
    -fPIC
    -fvisibility=hidden
    # Together with --gc-sections: what the shim does not call is not in it.
    -ffunction-sections
    -fdata-sections
    # Both would call into libc, and with symbol versions newer than the oldest host's.
    -fno-stack-protector
    -U_FORTIFY_SOURCE
    -D_FORTIFY_SOURCE=0
    # Nothing unwinds through the shim; the tables would be a third of it.
    -fno-asynchronous-unwind-tables
    -fno-unwind-tables
    # What GCC does for speed even so, at the price of another kilobyte.
    $<$<C_COMPILER_ID:GNU>:-fno-caller-saves>
    $<$<C_COMPILER_ID:GNU>:-fno-expensive-optimizations>
    $<$<C_COMPILER_ID:GNU>:-fno-gcse>
    $<$<C_COMPILER_ID:GNU>:-fno-jump-tables>
    $<$<C_COMPILER_ID:GNU>:-fno-move-loop-invariants>
    $<$<C_COMPILER_ID:GNU>:-fno-shrink-wrap>
    $<$<C_COMPILER_ID:GNU>:-fno-tree-tail-merge>
    # Link-time optimisation may turn mem.c's memcpy into a call of itself.
    -fno-lto
    # A start has at most one path in a frame. An end, which may come on a signal stack of 8 KiB, has
    # none (tests/fixtures/small_stack.c shows it).
    -Wframe-larger-than=6144)

# LLVM turns memcmp() == 0 into bcmp, which mem.c does not provide.
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    target_compile_options(telemetry_shim_code INTERFACE -fno-builtin-bcmp)
endif()

# On aarch64, atomic operations as calls into libgcc, which is not linked.
check_c_compiler_flag(-mno-outline-atomics TELEMETRY_HAVE_NO_OUTLINE_ATOMICS)
if(TELEMETRY_HAVE_NO_OUTLINE_ATOMICS AND CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
    target_compile_options(telemetry_shim_code INTERFACE -mno-outline-atomics)
endif()
