/* Start and end by hand, with a look at what went wrong. */
#include <stdio.h>
#include <telemetry/client.h>

int main(void)
{
    struct telemetry_run_options options = TELEMETRY_RUN_OPTIONS_INIT;
    struct telemetry_error err;
    telemetry_client *client = telemetry_client_open(NULL, &err);
    telemetry_run *run;

    if (client == NULL)
        fprintf(stderr, "runs are not recorded: %s\n", err.message);
    options.product = "words";
    options.input_summary = "2 files";
    run = telemetry_run_start(client, "importer", "explicit", &options, &err);
    if (telemetry_run_set_metrics_json(run, "{\"tokens\": 812}", &err) < 0)
        fprintf(stderr, "not set: %s\n", err.message);
    telemetry_run_set_items_failed(run, 1, NULL);
    telemetry_run_end(run, TELEMETRY_PARTIAL, "1 of 2 files was empty", NULL);
    telemetry_run_free(run);
    telemetry_client_close(client, 1000, NULL);
    return 0;
}
