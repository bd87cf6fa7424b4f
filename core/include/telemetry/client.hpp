// telemetry/client.hpp - telemetry/client.h for C++17: runs that end with their scope.
//
//     telemetry::client client;
//     {
//         telemetry::run run{client, "importer", "nightly"};
//
//         run.set("items_discovered", 10).event("page", R"({"number": 1})");
//         work();
//     }
//
// Falling out of the scope ends the run as a success; an exception that leaves it ends the run as failed,
// with its what() where it can be had. exit, a crash or a kill inside make it failed, too. A thread that is ended
// inside (pthread_exit, pthread_cancel) falls out of the scope; telemetry::track tells it from that. Nothing in here
// throws, and no failure of telemetry has to be looked at.
#ifndef TELEMETRY_CLIENT_HPP
#define TELEMETRY_CLIENT_HPP

#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

#include <telemetry/client.h>

namespace telemetry {

// Movable; closes the client (waiting a second at most) when it goes.
class client {
public:
    client() noexcept : handle_{telemetry_client_open(nullptr, &error_)} {}
    explicit client(const telemetry_config &config) noexcept
        : handle_{telemetry_client_open(&config, &error_)}
    {
    }
    client(client &&other) noexcept
        : error_{other.error_}, handle_{std::exchange(other.handle_, nullptr)}
    {
    }
    client &operator=(client &&other) noexcept
    {
        std::swap(handle_, other.handle_);
        std::swap(error_, other.error_);
        return *this;
    }
    client(const client &) = delete;
    client &operator=(const client &) = delete;
    ~client() { telemetry_client_close(handle_, close_ms, nullptr); }

    // False when there is no client; error() says why.
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    const char *error() const noexcept { return error_.message; }
    // For the calls of client.h; borrowed.
    telemetry_client *get() const noexcept { return handle_; }

private:
    static constexpr int close_ms = 1000;
    telemetry_error error_{};
    telemetry_client *handle_;
};

// Movable. Calls on a run that could not be started do nothing.
class run {
public:
    run(const client &client, const char *agent, const char *job = nullptr,
        const telemetry_run_options *options = nullptr) noexcept
        : exceptions_{std::uncaught_exceptions()},
          handle_{telemetry_run_start(client.get(), agent, job, options, &error_)}
    {
    }
    run(run &&other) noexcept
        : error_{other.error_}, exceptions_{other.exceptions_},
          handle_{std::exchange(other.handle_, nullptr)}
    {
    }
    run(const run &) = delete;
    run &operator=(const run &) = delete;
    run &operator=(run &&) = delete;
    ~run()
    {
        if (std::uncaught_exceptions() > exceptions_)
            end(TELEMETRY_FAILED, "an exception left the run's scope");
        else
            end(TELEMETRY_SUCCESS);
        telemetry_run_free(handle_);
    }

    explicit operator bool() const noexcept { return handle_ != nullptr; }
    const char *error() const noexcept { return error_.message; }
    const char *id() const noexcept { return telemetry_run_id(handle_); }
    telemetry_run *get() const noexcept { return handle_; }

    run &set(const char *field, const char *value) noexcept
    {
        telemetry_run_set(handle_, field, value, &error_);
        return *this;
    }
    run &set(const char *field, const std::string &value) noexcept
    {
        return set(field, value.c_str());
    }
    run &set(const char *field, std::int64_t value) noexcept
    {
        telemetry_run_set_count(handle_, field, value, &error_);
        return *this;
    }
    run &set(const char *field, int value) noexcept
    {
        return set(field, static_cast<std::int64_t>(value));
    }
    run &add(const char *field, std::int64_t value = 1) noexcept
    {
        telemetry_run_add(handle_, field, value, &error_);
        return *this;
    }
    run &event(const char *type, const char *payload_json = nullptr) noexcept
    {
        telemetry_run_log_event(handle_, type, payload_json, &error_);
        return *this;
    }
    int end(telemetry_status status, const char *summary = nullptr) noexcept
    {
        return telemetry_run_end(handle_, status, summary, &error_);
    }

private:
    telemetry_error error_{};
    int exceptions_;
    telemetry_run *handle_;
};

// Calls work(run) inside of a run. An exception makes the run failed with its what(), and goes on. So does the
// end of the thread (pthread_exit, pthread_cancel) where it can be told from an ordinary one: with libstdc++.
template <typename Work>
decltype(auto) track(const client &client, const char *agent, const char *job, Work &&work)
{
    run tracked{client, agent, job};

    try {
        return std::forward<Work>(work)(tracked);
    } catch (const std::exception &caught) {
        tracked.end(TELEMETRY_FAILED, caught.what());
        throw;
    }
#ifdef __GLIBCXX__
    catch (const abi::__forced_unwind &) {
        tracked.end(TELEMETRY_FAILED, "the thread was ended inside of the run");
        throw;
    }
#endif
}

} // namespace telemetry

#endif
