#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/source/abandoned_input.hpp"
#include "actors/source/file_discovery.hpp"
#include "actors/source/lineage.hpp"
#include "actors/source/open_files.hpp"
#include "actors/source/source_input.hpp"

namespace sluice {

/// All inputs of a source, and whose turn it is: to be announced, to be read, to be forgotten. Plain bookkeeping; not
/// thread-safe. Inputs keep their addresses until they are forgotten.
class input_table {
public:
  using time_point = source_input::time_point;

  struct options {
    std::uint64_t window_bytes = 0; ///< That may be read and not be acknowledged, over all inputs.
    std::size_t max_announced = 0;  ///< That may wait for their first welcome.
    std::size_t max_open_files = 0;
    std::chrono::nanoseconds rotate_wait{};       ///< How long a file that is away is watched for late lines.
    std::chrono::nanoseconds multiline_timeout{}; ///< How long a last record is left for lines that continue it.
    /// What inputs were left behind with.
    std::shared_ptr<abandoned_input> abandoned = std::make_shared<abandoned_input>();
  };

  explicit input_table(const options& how) : how_(how), open_(how.max_open_files) {}

  /// Takes a file that was found, or what is the rest of one known already. nullptr if the same file is being read
  /// already under another path.
  source_input* add(const stream_id& id, const found_file& found, time_point now);

  /// nullptr if it is not known, or not any more.
  source_input* find(const stream_id& id);

  void change(source_input& x, const file_change& change, time_point now);

  void welcome(source_input& x, const stream_point& last);
  void acknowledge(source_input& x, std::uint64_t position);

  /// The next to be announced.
  source_input* take_announceable();

  /// The next in turn that may be read: all while there is credit, otherwise only one that is to start over, for that
  /// gives credit back, or of which something is dropped, for that needs none.
  source_input* take_readable();

  /// A pipe that waits for credit and of which something could be dropped; nullptr if there is none.
  source_input* find_droppable() const;

  /// Puts it behind those to be read, or before them.
  enum class turn { last, next };
  void queue(source_input& x, turn when = turn::last);

  /// Sets how far an input is read and acknowledged, and what all of them have on their way with it. What is to be read
  /// again is on its way no more.
  void move(source_input& x, std::uint64_t position, std::uint64_t acked);

  /// Goes over what was dropped. A gap takes little credit, whatever its size.
  void skip(source_input& x, std::uint64_t bytes);

  /// Whether there is no credit left.
  bool window_is_full() const noexcept { return in_flight_ >= how_.window_bytes; }

  /// It has been read to its end as it is now.
  void reach_end(source_input& x, time_point now);

  /// Nothing more is to come of it.
  void end(source_input& x);

  /// It is open and used now.
  void use(source_input& x, std::shared_ptr<file> opened);
  void close(source_input& x) { open_.close(x); }
  std::size_t room_for_open_files() const noexcept { return open_.room(); }

  /// It is a file with another beginning, or its path leads to it no more; nobody will write to it for long.
  void send_away(source_input& x, time_point since);

  /// Queues what is away, for late lines.
  void look_at_away();
  /// Queues what has been away long enough, for the last time, and what has something unfinished for long enough.
  void look_at_late(time_point now);
  /// When there is something for `look_at_late`.
  std::optional<time_point> next_late() const;

  /// The next that can be forgotten.
  source_input* take_over();
  void forget(source_input& x);

  /// Leaves only what a receiver wants to start over and pipes that were read before; returns what else was announced
  /// and has not ended.
  std::vector<source_input*> stop();

  /// Whether nothing is announced, to be announced or to be read.
  bool is_idle() const noexcept {
    return unwelcomed_ == 0 && to_announce_.empty() && to_read_.empty() && to_resume_.empty();
  }

  /// Leaves what was read of files to who comes after.
  void abandon() const;

  bool awaits_welcome() const noexcept { return unwelcomed_ > 0; }

private:
  void advance(source_input& x);
  void announce_next(lineage& family);
  static std::uint64_t held(const source_input& x) noexcept;

  options how_;
  open_files open_;
  std::unordered_map<stream_id, source_input> inputs_;
  std::map<std::string, lineage> lineages_; ///< By path.
  std::deque<source_input*> to_announce_;
  std::deque<source_input*> to_resume_, to_read_; ///< Each in one of them, once; what is to start over goes first.
  std::vector<source_input*> away_;
  std::vector<source_input*> unfinished_; ///< Those with `end_since`.
  std::deque<source_input*> over_;
  std::uint64_t in_flight_ = 0; ///< Bytes read and not acknowledged, over all inputs.
  std::size_t unwelcomed_ = 0;
  bool is_stopped_ = false;
};

} // namespace sluice
