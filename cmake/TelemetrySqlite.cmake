# telemetry_sqlite: the SQLite that telemetry_core is linked with; the archive when the command line
# program is static, so that the tests run the very code that is shipped.

pkg_check_modules(TELEMETRY_SQLITE3 REQUIRED IMPORTED_TARGET sqlite3>=3.35)

add_library(telemetry_sqlite INTERFACE)

if(TELEMETRY_STATIC_CLI)
    find_library(TELEMETRY_SQLITE3_ARCHIVE NAMES libsqlite3.a
        HINTS ${TELEMETRY_SQLITE3_LIBRARY_DIRS} ${TELEMETRY_SQLITE3_LIBDIR})
    if(NOT TELEMETRY_SQLITE3_ARCHIVE)
        message(FATAL_ERROR
            "libsqlite3.a not found; install it, or configure with -DTELEMETRY_STATIC_CLI=OFF")
    endif()
    target_include_directories(telemetry_sqlite SYSTEM INTERFACE ${TELEMETRY_SQLITE3_INCLUDE_DIRS})
    target_link_libraries(telemetry_sqlite INTERFACE ${TELEMETRY_SQLITE3_ARCHIVE} m)
else()
    target_link_libraries(telemetry_sqlite INTERFACE PkgConfig::TELEMETRY_SQLITE3)
endif()
