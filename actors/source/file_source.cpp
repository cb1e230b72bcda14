#include "actors/source/file_source.hpp"

#include <algorithm>
#include <set>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <spdlog/spdlog.h>

#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/source/file_discovery.hpp"
#include "actors/source/input_reader.hpp"
#include "actors/source/input_table.hpp"
#include "actors/source/outlet.hpp"
#include "actors/stats/metrics.hpp"
#include "messages/counted.hpp"
#include "transport/file_system.hpp"

namespace sluice {

namespace {

using input = source_input;
using outcome = input_reader::outcome;
using turn = input_table::turn;

/// Streams that may wait for their first welcome.
constexpr std::size_t max_announced = 256;

/// Looks are so much rarer where the system tells of changes.
constexpr int watched_slowdown = 5;

struct file_source_state {
  static inline const char* name = "source";

  file_source_state(source_actor::pointer self, environment& env, file_source_config config,
    std::shared_ptr<buffer_pool> pool, batcher_actor next)
    : self_(self), env_(env), config_(std::move(config)), pool_(std::move(pool)), next_(std::move(next)),
      metrics_(self->system(), name),
      reader_(self, env.files, env.io, {config_.limits, config_.joiner, config_.multiline_timeout}, pool_),
      inputs_({config_.window_bytes, max_announced, config_.follow.max_open_files, config_.follow.rotate_wait,
        config_.joiner ? config_.multiline_timeout : std::chrono::milliseconds{}, config_.abandoned}),
      outlet_(self, env, metrics_, inputs_, pool_, next_),
      discovery_(std::make_shared<file_discovery>(
        env.files, std::make_shared<file_registry>(env.files, config_.file_notes), config_.follow.patterns)),
      wake_(self) {}

  ~file_source_state() { inputs_.abandon(); }

  source_actor::behavior_type make_behavior() {
    tasks_.spawn(run());
    return {
      [this](const welcome& x) {
        if (auto* known = inputs_.find(x.stream)) {
          inputs_.welcome(*known, x.last);
          wake_.notify();
        }
      },
      [this](const ack& x) {
        if (auto* known = inputs_.find(x.stream)) {
          inputs_.acknowledge(*known, x.last.position);
          last_progress_ = now();
          if (known->is_at_end && known->position > known->acked)
            self_->send(next_, idle_atom_v, x.stream);
          wake_.notify();
        }
      },
      [this](stop_atom) {
        is_stopping_ = true;
        wake_.notify();
      },
      [this](status_atom) { return errors_; },
    };
  }

  // -- the life of a source ---------------------------------------------------

  /// Looks for files, announces them, reads those for which a welcome has come, again if a receiver asks for it, and
  /// says once when there is no more.
  task<void> run() {
    start_watching();
    for (auto at = config_.paths.begin();;) {
      auto is_all_given = at == config_.paths.end();
      if (is_stopping_ && !std::exchange(has_stopped_, true))
        co_await stop_reading();
      if (is_time_to_look())
        co_await look();
      else if (auto* over = has_stopped_ ? nullptr : inputs_.take_over())
        forget(*over);
      else if (auto* due = inputs_.take_announceable())
        announce(*due);
      else if (auto* next = inputs_.take_readable())
        co_await read_on(*next);
      else if (overload_time() <= now())
        co_await drop_from(*inputs_.find_droppable());
      else if (!is_all_given && inputs_.is_idle())
        co_await take_given(at);
      else if (is_exhausted(is_all_given) && !std::exchange(has_said_end_, true))
        say_end();
      else
        co_await wait();
    }
  }

  void say_end() {
    outlet_.say_dropped();
    self_->send(next_, end_of_input_atom_v);
  }

  bool is_exhausted(bool is_all_given) const {
    return inputs_.is_idle() && is_all_given && (is_stopping_ || !is_following());
  }

  bool is_following() const { return !config_.follow.patterns.empty(); }

  task<void> stop_reading() {
    for (auto* x : inputs_.stop())
      co_await end(*x);
  }

  task<void> wait() {
    auto next = overload_time();
    if (is_following() && !is_stopping_)
      next = std::min({next, next_look_, inputs_.next_late().value_or(next)});
    if (next == caf::actor_clock::time_point::max())
      co_await wake_.wait();
    else if (next > now())
      co_await wake_.wait_for(next - now());
    if (!is_stopping_)
      inputs_.look_at_late(now());
  }

  caf::actor_clock::time_point now() const { return self_->clock().now(); }

  // -- finding files ----------------------------------------------------------

  /// The system tells what changes where it can; it is looked for now and then in any case.
  void start_watching() {
    if (!is_following())
      return;
    auto made =
      env_.files.watch([this, weak = caf::weak_actor_ptr{self_->ctrl()}](std::vector<std::filesystem::path> changed) {
        if (auto alive = weak.lock())
          run_on(alive, [this, changed = std::move(changed)] {
            news_.changed.insert(changed.begin(), changed.end());
            wake_.notify();
          });
      });
    if (made)
      watch_ = std::move(*made);
    else
      spdlog::warn("{}; looking every {} ms", made.error().message, config_.follow.poll_interval.count());
  }

  bool is_time_to_look() const {
    return is_following() && !is_stopping_ && (!news_.changed.empty() || next_look_ <= now());
  }

  task<void> look() {
    if (next_look_ <= now())
      news_.changed.insert(std::filesystem::path{});
    auto is_everywhere = news_.changed.contains({});
    news_.max_opened = inputs_.room_for_open_files();
    auto found = co_await run_blocking(
      self_, env_.io, [discovery = discovery_, news = std::exchange(news_, {})] { return discovery->look(news); });
    if (is_everywhere) {
      auto is_watched = found && co_await watch(found->folders);
      next_look_ = now() + config_.follow.poll_interval * (is_watched ? watched_slowdown : 1);
      inputs_.look_at_away();
      for (auto& id : std::exchange(failed_, {}))
        if (auto* known = inputs_.find(id))
          inputs_.queue(*known);
    }
    take(std::move(found));
  }

  /// Returns whether the system tells of changes in all of these folders.
  task<bool> watch(std::set<std::filesystem::path> folders) {
    if (!watch_)
      co_return false;
    co_return co_await run_blocking(self_, env_.io, [watch = watch_, folders = std::move(folders)] {
      return std::ranges::all_of(folders, [&](auto& folder) { return watch->add(folder).has_value(); });
    });
  }

  /// Takes the next of what was given: once stopped, only pipes of which the source before this one has read something
  /// that is not acknowledged.
  task<void> take_given(std::vector<std::string>::iterator& at) {
    std::vector<std::string> files;
    for (; at != config_.paths.end() && files.size() < max_announced; ++at)
      if (auto pipe = config_.pipes.find(*at); pipe != config_.pipes.end())
        co_await add_pipe(*at, pipe->second);
      else if (!is_stopping_)
        files.push_back(*at);
    take(co_await run_blocking(
      self_, env_.io, [discovery = discovery_, files = std::move(files)] { return discovery->identify(files); }));
  }

  task<void> add_pipe(std::string path, std::shared_ptr<pipe_reader> pipe) {
    auto kept = co_await run_blocking(self_, env_.io, [pipe] { return pipe->kept(); });
    auto was_read_before = kept.end > kept.begin;
    if (is_stopping_ && !was_read_before)
      co_return;
    found_file found;
    found.path = path;
    found.is_followed = false;
    if (auto* added = inputs_.add({config_.producer, pipe->source()}, found, now())) {
      added->pipe = pipe;
      added->was_read_before = was_read_before;
      added->begins_at = kept.begin;
    }
  }

  void take(expected<findings> found) {
    if (!found)
      return give_up(found.error());
    for (auto& problem : found->problems)
      give_up(problem);
    for (auto& change : found->changes)
      if (auto* known = inputs_.find({config_.producer, change.key}))
        inputs_.change(*known, change, now());
    for (auto& file : found->files)
      add(file);
  }

  void add(const found_file& found) {
    stream_id id{config_.producer, found.key};
    auto* added = inputs_.add(id, found, now());
    if (!added)
      spdlog::info("{}: the same file as {}, shipped once", found.path, inputs_.find(id)->path);
    else if (found.is_followed && drops(config_.overload.policy) && !added->lag)
      added->lag = std::make_unique<lag_limit>(config_.overload);
  }

  // -- announcing and forgetting ----------------------------------------------

  void announce(input& x) {
    auto labels = config_.labels;
    if (!labels.find("source"))
      if (auto set = labels.set("source", label_value(x.path)); !set)
        spdlog::warn("{}: shipped without the label source: {}", x.path, set.error().message);
    self_->send(next_, open_stream{x.stream, labels, self_->ctrl(), !x.pipe, x.begins_at, config_.epoch});
  }

  static std::string label_value(const std::string& path) {
    return path == "-" ? "stdin" : path.substr(0, label_set::max_value_bytes);
  }

  /// Nothing more is read of it unless its receiver asks for it.
  task<void> end(input& x) {
    if (x.pipe && !x.is_lost)
      co_await hand_on_rest(x);
    if (x.resume)
      co_return; // asked for meanwhile, and next in turn
    if (!x.pipe)
      inputs_.close(x);
    inputs_.end(x);
    self_->send(next_, end_stream{x.stream, x.position});
  }

  /// What was read of a pipe, the last line as it is.
  task<void> hand_on_rest(input& x) {
    for (auto more = true; more;) {
      auto rest = co_await reader_.read_rest(x);
      more = !x.resume && rest && (rest->records > 0 || rest->dropped);
      if (more)
        hand_on(x, std::move(*rest), rest->dropped);
    }
  }

  void forget(input& x) {
    spdlog::debug("{}: all of what was {} is stored", x.path, x.location.string());
    self_->send(next_, close_stream{x.stream});
    news_.finished.push_back({x.which, x.stream.source});
    inputs_.forget(x);
  }

  // -- reading ----------------------------------------------------------------

  /// Starts over where the receiver wants to, or reads a chunk.
  task<void> read_on(input& x) {
    auto how = x.resume ? co_await start_over(x) : co_await read(x);
    if (x.resume)
      co_return; // asked for meanwhile, and next in turn
    if (has_stopped_)
      how = outcome::over;
    switch (how) {
    case outcome::more:
      inputs_.queue(x, x.is_followed ? turn::last : turn::next);
      break;
    case outcome::at_end:
      reach_end(x);
      break;
    case outcome::over:
      co_await end(x);
      break;
    case outcome::moved:
      co_await find_again(x);
      break;
    case outcome::failed:
      failed_.push_back(x.stream);
      break;
    case outcome::truncated:
      co_await leave_truncated(x);
    }
  }

  /// Goes to where the receiver wants to resume. A file that is shorter than that holds another stream now.
  task<outcome> start_over(input& x) {
    auto last = *std::exchange(x.resume, std::nullopt);
    if (last.epoch < config_.epoch)
      last = {config_.epoch, 0, last.position};
    auto is_there = co_await reader_.has_bytes(x, last.position);
    inputs_.move(x, last.position, last.position);
    if (x.lag)
      x.lag->reset();
    self_->send(next_, restart_stream{x.stream, last});
    x.is_lost = !is_there || !*is_there;
    if (!is_there)
      give_up(is_there.error());
    else if (!*is_there)
      co_await begin_anew(x);
    co_return x.is_lost ? outcome::over : outcome::more;
  }

  task<void> begin_anew(const input& x) {
    spdlog::warn("{}: is shorter than what is stored of it, {}: it was truncated; starting over", x.path,
      counted(x.position, "byte"));
    take(co_await run_blocking(self_, env_.io,
      [discovery = discovery_, path = x.path, which = x.which] { return discovery->identify_truncated(path, which); }));
  }

  task<outcome> read(input& x) {
    auto noted = x.head;
    auto result = co_await reader_.read(x);
    if (x.opened)
      inputs_.use(x, x.opened);
    if (x.head != noted)
      if (auto made = co_await note_head(x); !made) {
        x.head = noted;
        result = {outcome::failed, {}, std::move(made.error())};
      }
    if (result.failure)
      give_up(*result.failure);
    if (result.taken)
      hand_on(x, std::move(*result.taken), result.dropped);
    if (x.pipe && result.how == outcome::more)
      self_->send(next_, idle_atom_v, x.stream);
    co_return result.how;
  }

  task<expected<void>> note_head(const input& x) {
    co_return co_await run_blocking(
      self_, env_.io, [discovery = discovery_, which = x.which, key = x.stream.source, head = x.head] {
        return discovery->note_head(which, key, head);
      });
  }

  void hand_on(input& x, file_chunk taken, const std::optional<dropped_records>& gone) {
    if (taken.records > 0)
      outlet_.hand_on(x, std::move(taken));
    if (gone)
      outlet_.tell_gap(x, *gone);
    x.is_full = false;
    last_progress_ = now();
  }

  /// When pipes are in overload, unless something is acknowledged before.
  caf::actor_clock::time_point overload_time() const {
    auto may_drop = drops_from_pipes(config_.overload.policy) && !is_stopping_ && inputs_.find_droppable();
    return may_drop ? last_progress_ + config_.overload.patience : caf::actor_clock::time_point::max();
  }

  task<void> drop_from(input& x) {
    auto is_shed = config_.overload.policy == overload_policy::shed;
    auto least = is_shed ? std::optional{config_.overload.least} : std::nullopt;
    auto gone = co_await reader_.drop(x, least, config_.window_bytes, env_.now());
    x.is_full = !gone || gone->is_all; // a pipe that fails does so again when it is read
    if (gone)
      outlet_.count_dropped(
        is_shed ? gap_reason::shed_by_severity : gap_reason::drop_newest, gone->records, gone->bytes);
  }

  /// The file was truncated: goes on with a copy that was made of it before if there is one, and what is in the file
  /// now is another stream.
  task<void> leave_truncated(input& x) {
    auto found = co_await run_blocking(self_, env_.io,
      [discovery = discovery_, file = file_discovery::progress{x.path, x.which, x.stream.source, x.head, x.position,
                                 x.acked}] { return discovery->look_at_truncated(file); });
    auto has_copy =
      found && std::ranges::any_of(found->files, [&](const found_file& file) { return file.key == x.stream.source; });
    if (!found)
      failed_.push_back(x.stream);
    else if (!has_copy && !x.resume)
      co_await drop_rest(x, gap_reason::truncated);
    take(std::move(found));
  }

  /// It is not where it was last seen: at its path, or where it was when it was moved away from there.
  task<void> find_again(input& x) {
    if (!x.away_since) {
      news_.changed.insert(x.path);
      failed_.push_back(x.stream);
      co_return;
    }
    auto where = co_await run_blocking(self_, env_.io,
      [discovery = discovery_, path = x.path, which = x.which] { return discovery->find(path, which); });
    if (where) {
      x.location = *where;
      inputs_.queue(x, turn::next);
    } else if (!x.resume) {
      co_await drop_rest(x, gap_reason::removed);
    }
  }

  /// What has not been read cannot be read any more.
  task<void> drop_rest(input& x, std::string_view reason) {
    auto unread = x.size > x.position ? x.size - x.position : 0;
    if (unread > 0) {
      give_up({errc::not_rereadable, fmt::format("{}: {} with {} unread", x.path, reason, counted(unread, "byte"))});
      outlet_.tell_gap(x, reason, 0, unread, env_.now(), env_.now());
    } else if (x.is_missing) {
      spdlog::warn("{}: {} while it was not watched, with {} stored; whether there were more is not known", x.path,
        reason, counted(x.position, "byte"));
    }
    co_await end(x);
  }

  /// All that is in it now has been read; what was read is not held back.
  void reach_end(input& x) {
    inputs_.reach_end(x, now());
    if (x.position > x.acked)
      self_->send(next_, idle_atom_v, x.stream);
  }

  /// Tells of a failure. What is followed is tried again.
  void give_up(const error& reason) {
    spdlog::error("{}", reason.message);
    metrics_.failed(reason.code);
    if (!is_following())
      errors_.push_back(reason.message);
  }

  source_actor::pointer self_;
  environment& env_;
  file_source_config config_;
  std::shared_ptr<buffer_pool> pool_;
  batcher_actor next_;
  component_metrics metrics_;
  input_reader reader_;
  input_table inputs_;
  outlet outlet_;
  std::shared_ptr<file_discovery> discovery_;
  std::shared_ptr<folder_watch> watch_; ///< None if the system tells of no changes.
  file_discovery::news news_;           ///< Since the last look.
  caf::actor_clock::time_point next_look_ = caf::actor_clock::time_point::min();
  caf::actor_clock::time_point last_progress_; ///< When something was handed on or acknowledged.
  std::vector<stream_id> failed_;              ///< To be read again at the next look.
  bool is_stopping_ = false, has_stopped_ = false, has_said_end_ = false;
  std::vector<std::string> errors_;
  signal wake_;
  task_scope tasks_;
};

} // namespace

source_actor spawn_file_source(caf::actor_system& system, environment& env, file_source_config config,
  std::shared_ptr<buffer_pool> pool, batcher_actor next) {
  return system.spawn<source_actor::stateful_impl<file_source_state>>(
    std::ref(env), std::move(config), std::move(pool), std::move(next));
}

} // namespace sluice
