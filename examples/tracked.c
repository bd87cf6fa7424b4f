/* A run for as long as a block: ended as a success however the block is left, failed if the process dies
 * in it. */
#include <telemetry/client.h>

static int import_pages(telemetry_client *client)
{
    TELEMETRY_SCOPED telemetry_run *run =
        telemetry_run_start(client, "importer", "tracked", NULL, NULL);

    telemetry_run_set_items_discovered(run, 3, NULL);
    for (int page = 0; page < 3; page++)
        telemetry_run_add(run, "items_succeeded", 1, NULL);
    telemetry_run_log_event(run, "done", "{\"pages\": 3}", NULL);
    return 0;
}

int main(void)
{
    telemetry_client *client = telemetry_client_open(NULL, NULL);
    const int status = import_pages(client);

    telemetry_client_close(client, 1000, NULL);
    return status;
}
