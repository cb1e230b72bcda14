#pragma once

#include <deque>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/simulation/stored_streams.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

/// Lines of any bytes: empty, long, with NUL, CR and what is not UTF-8, the last one with or without LF.
std::string hostile_text(sim_world& world, std::uint64_t max_bytes);

inline constexpr std::uint64_t max_line_bytes = 9'000; ///< Of hostile text.

/// A program on a shipper's machine whose output is shipped. It writes while the run goes on.
class application {
public:
  application(sim_world& world, sim_shipper& shipper) : world_(world), shipper_(shipper) {}
  virtual ~application() = default;

  /// Writes until about `duration` from now.
  void start(caf::timespan duration);
  bool is_done() const noexcept { return is_done_; }
  const sim_shipper& shipper() const noexcept { return shipper_; }

  /// The shipper's process is about to be killed.
  virtual void on_kill(const ship_status&) {}

  /// The label `source` of what it writes.
  virtual std::string source() const = 0;

  /// All that it has written, oldest first.
  virtual std::vector<written_file> written() const = 0;

  /// What has happened each time that there is one more of them.
  virtual const char* what() const = 0;

  /// Whether each of it is stored behind the one before.
  virtual bool keeps_order() const = 0;

protected:
  sim_world& world() const noexcept { return world_; }
  sim_file_system& files() const noexcept { return shipper_.files(); }

private:
  virtual void write() = 0;
  virtual void finish() = 0;

  sim_world& world_;
  sim_shipper& shipper_;
  bool is_done_ = false;
};

/// Writes into the pipe that a shipper reads from. What was read and not confirmed when a process was killed is gone
/// with it; the next one reads what follows, as another stream.
class pipe_application : public application {
public:
  using application::application;

  void on_kill(const ship_status& status) override;
  std::string source() const override { return "stdin"; }
  std::vector<written_file> written() const override;
  const char* what() const override { return "pipes torn"; }
  bool keeps_order() const override { return false; }

private:
  void write() override;
  void finish() override { files().end_pipe(pipe_path); }

  std::string text_;
  std::size_t begin_ = 0;            ///< Of what the present process reads.
  std::vector<written_file> before_; ///< What those before it have read.
};

/// How a log is rotated.
enum class rotation { none, rename, copy_and_truncate };

/// Appends to a file that a shipper follows, and rotates it.
///
/// Some of it could not be shipped whatever the shipper did: what is rotated away before the shipper has ever seen the
/// path, and what is truncated before it has seen what was there. That does not happen here.
class log_application : public application {
public:
  log_application(sim_world& world, sim_shipper& shipper, std::string path, rotation how)
    : application(world, shipper), path_(std::move(path)), how_(how) {}

  std::string source() const override { return path_; }
  std::vector<written_file> written() const override;
  const char* what() const override { return how_ == rotation::rename ? "files renamed" : "files truncated"; }
  bool keeps_order() const override { return !was_late_; }

private:
  void write() override;
  void finish() override;
  void begin_file();
  void append(const std::string& name, std::string& to, const std::string& text);
  void rotate();
  void write_late();
  bool is_seen() const;
  std::string rotated_name(std::size_t age) const { return age == 0 ? path_ : fmt::format("{}.{}", path_, age); }

  std::string path_;
  rotation how_;
  std::deque<std::string> texts_; ///< Oldest first. Addresses are stable.
  sim_world::time_point begun_;   ///< The newest.
  bool was_late_ = false;         ///< Something was written to a file after it had been rotated.
};

} // namespace sluice::test
