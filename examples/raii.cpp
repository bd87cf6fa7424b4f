// An exception that leaves a run makes it failed, with its what().
#include <iostream>
#include <stdexcept>
#include <telemetry/client.hpp>

int main()
{
    telemetry::client client;

    try {
        telemetry::track(client, "importer", "raii", [](telemetry::run &run) {
            run.set("items_discovered", 2).event("begun");
            throw std::runtime_error("the second file is empty");
        });
    } catch (const std::exception &caught) {
        std::cerr << caught.what() << '\n';
    }
    return 0;
}
