#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sluice/record.hpp>
#include <sluice/result.hpp>

namespace sluice {

/// What a shipper does with a record for which there is no room.
enum class when_full {
  drop_newest, ///< Drops it, at once.
  block,       ///< Waits for room, for `block_for` at most, then drops it.
};

/// Where records have to be to count as flushed.
enum class durable_at {
  receiver, ///< On a receiver's disk.
  spool,    ///< On this machine's disk, in `data_dir`: the next start ships them, if this one does not.
};

struct shipper_options {
  /// Receivers, as `tcp://host:7070` or `tls://host:7071`, at least one. The first that works is used.
  std::vector<std::string> to{};

  /// Of the stream, which all records of the shipper are; `host` is added if it is not there.
  std::vector<std::pair<std::string, std::string>> labels{};

  /// Keeps the spool, which all records go through if this is set. May be shared by up to 16 shippers at a time.
  std::filesystem::path data_dir{};
  std::uint64_t spool_max_bytes = 1024 * 1024 * 1024; ///< On disk; 32 MiB at least.

  struct {
    std::size_t max_bytes = 1024 * 1024; ///< 1 KiB to 16 MiB.
    std::uint32_t max_events = 4096;
    std::chrono::milliseconds timeout{1'000}; ///< For which a batch may wait to be filled.
  } batch{};
  std::string compression = "zstd:1"; ///< `zstd`, `zstd:LEVEL` or `none`.

  struct {
    std::size_t thread_bytes = 1024 * 1024;   ///< For each thread that submits; 4 KiB to 32 MiB.
    std::size_t max_bytes = 32 * 1024 * 1024; ///< Taken from threads and neither spooled nor acknowledged.
    sluice::when_full when_full = sluice::when_full::drop_newest;
    std::chrono::milliseconds block_for{1'000};
  } buffer{};

  struct {
    std::chrono::milliseconds initial_backoff{1'000};
    std::chrono::milliseconds max_backoff{30'000};
  } retry{};

  struct {
    std::string ca_file;  ///< Who may vouch for the receiver; if empty, whom the system trusts.
    std::string crt_file; ///< Ours, if the receiver demands one.
    std::string key_file;
    bool verify_hostname = true;
  } tls{};

  /// How long the destructor waits until everything is acknowledged.
  std::chrono::milliseconds drain_timeout{5'000};
};

/// What became of what was submitted. `accepted == acknowledged + pending`, always; each call of `submit` is counted
/// once as accepted, dropped or refused, unless it returns `shutting_down`.
struct shipper_counters {
  std::uint64_t accepted = 0;
  std::uint64_t accepted_bytes = 0; ///< Of bodies.
  std::uint64_t dropped = 0;        ///< For want of room. The stream has gaps that tell of them.
  std::uint64_t refused = 0;        ///< Too large, or with attributes out of bounds.
  std::uint64_t spooled = 0;        ///< Of the accepted, those that are durable in the spool or at a receiver.
  std::uint64_t acknowledged = 0;   ///< Of the accepted, those that are durable at a receiver.
  std::uint64_t pending = 0;        ///< Accepted and not acknowledged.
};

/// Brings a program's records to a receiver (docs/guides/cpp-api.md). Made by `local_node::spawn_shipper`; it keeps
/// what it needs of the node alive.
///
/// Thread-safe, but for moving and destruction. In a child of fork(2) every call fails with `shutting_down`.
class shipper {
public:
  shipper(shipper&&) noexcept;
  shipper& operator=(shipper&&) noexcept;

  /// Waits for `drain_timeout` at most until everything is acknowledged. What is not stays in the spool; without one it
  /// is lost, and said on the log.
  ~shipper();

  /// Takes a copy of the record, which keeps its place among those of the same thread. Never waits for the network or
  /// a disk; with `when_full::block`, for room, which may depend on them. Errors: overloaded if it was dropped for
  /// want of room; too_large if it would take more than half of `buffer.thread_bytes` or an attribute breaks its bound;
  /// invalid_argument for more than 64 attributes or one without a key; shutting_down if the shipper has failed or the
  /// thread is one of Sluice's own.
  errc submit(const record& x) noexcept;

  /// Waits until everything that was submitted before the call, by any thread, is durable. Errors: timed_out, with how
  /// much is not; invalid_argument for a spool that there is none of; else why the shipper cannot go on.
  result<> flush(std::chrono::milliseconds timeout, durable_at where = durable_at::receiver);

  /// At present.
  shipper_counters counters() const;

private:
  friend class local_node;
  struct impl;
  explicit shipper(std::unique_ptr<impl> made);

  std::unique_ptr<impl> impl_;
};

} // namespace sluice
