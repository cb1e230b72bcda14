#include "actors/source/file_source.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <unordered_map>

#include <spdlog/spdlog.h>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/source/file_registry.hpp"
#include "actors/source/pipe_reader.hpp"
#include "actors/stats/metrics.hpp"
#include "transport/file_system.hpp"

namespace sluice {

namespace {

struct file_source_state {
  static inline const char* name = "source";

  /// A file or pipe that has been announced. Open only while it is read.
  struct input {
    std::string path;
    stream_id stream;
    std::shared_ptr<file> opened;
    std::shared_ptr<pipe_reader> pipe; ///< What cannot be read twice.
    std::optional<stream_point> resume; ///< Where the receiver wants it to go on.
    std::uint64_t position = 0;
    std::uint64_t acked = 0;
  };

  file_source_state(source_actor::pointer self, environment& env, file_source_config config,
                    std::shared_ptr<buffer_pool> pool, batcher_actor next)
    : self_(self),
      env_(env),
      config_(std::move(config)),
      pool_(std::move(pool)),
      next_(std::move(next)),
      metrics_(self->system(), name),
      registry_(std::make_shared<file_registry>(env.files, config_.file_notes)),
      random_(env.seed ^ self->id()),
      wake_(self) {}

  source_actor::behavior_type make_behavior() {
    tasks_.spawn(run());
    return {
      [this](const welcome& x) {
        if (auto found = inputs_.find(x.stream); found != inputs_.end()) {
          found->second.resume = x.last;
          to_read_.push_back(&found->second);
          wake_.notify();
        }
      },
      [this](const ack& x) {
        if (auto found = inputs_.find(x.stream); found != inputs_.end()) {
          found->second.acked = x.last.position;
          wake_.notify();
        }
      },
      [this](stop_atom) {
        stopping_ = true;
        wake_.notify();
      },
      [this](status_atom) { return errors_; },
    };
  }

  /// Announces one file after the other, reads those for which a welcome has come, again if a receiver asks for it, and
  /// says once when there is no more.
  task<void> run() {
    auto paths = config_.paths.begin();
    auto said_end = false;
    for (;;) {
      if (!to_read_.empty()) {
        auto* next = to_read_.front();
        to_read_.pop_front();
        if (next->resume)
          co_await read_through(*next);
      } else if (waiting_for_welcome()) {
        co_await wake_.wait();
      } else if (paths != config_.paths.end() && !stopping_) {
        co_await announce(*paths++);
      } else {
        if (auto* unanswered = std::exchange(announced_, nullptr))
          self_->send(next_, end_stream{unanswered->stream, 0});
        if (!std::exchange(said_end, true))
          self_->send(next_, end_of_input_atom_v);
        co_await wake_.wait();
      }
    }
  }

  bool waiting_for_welcome() const { return announced_ && !announced_->resume && !stopping_; }

  task<void> announce(std::string path) {
    input made;
    made.path = path;
    made.stream.producer = config_.producer;
    if (auto failure = co_await open(made)) {
      give_up(*failure);
      co_return;
    }
    auto info = co_await run_blocking(self_, env_.io, [opened = made.opened] { return opened->info(); });
    if (info && !info->regular) {
      made.pipe = std::make_shared<pipe_reader>(made.opened, config_.limits);
      std::generate(made.stream.source.begin(), made.stream.source.end(),
                    [this] { return static_cast<std::uint8_t>(random_()); });
    } else if (auto key = co_await run_blocking(self_, env_.io, [opened = made.opened, registry = registry_] {
                 return registry->identify(*opened);
               })) {
      made.stream.source = *key;
    } else {
      give_up(key.error());
      co_return;
    }
    auto labels = config_.labels;
    if (!labels.find("source"))
      if (auto set = labels.set("source", label_value(path)); !set)
        spdlog::warn("{}: shipped without the label source: {}", path, set.error().message);
    auto [at, is_new] = inputs_.try_emplace(made.stream, std::move(made));
    if (!is_new) {
      spdlog::info("{}: the same file as {}, shipped once", path, at->second.path);
      co_return;
    }
    announced_ = &at->second;
    self_->send(next_, open_stream{at->first, labels, self_->ctrl()});
  }

  static std::string label_value(const std::string& path) {
    return path == "-" ? "stdin" : path.substr(0, label_set::max_value_bytes);
  }

  /// Returns why it could not be opened.
  task<std::optional<error>> open(input& from) {
    if (from.opened)
      co_return std::nullopt;
    auto opened = co_await run_blocking(self_, env_.io, [&files = env_.files, path = from.path] {
      return files.open(path == "-" ? "/dev/stdin" : path, open_mode::read);
    });
    if (!opened)
      co_return opened.error();
    from.opened = std::move(*opened);
    co_return std::nullopt;
  }

  task<void> read_through(input& from) {
    announced_ = nullptr;
    if (auto failure = co_await open(from)) {
      from.resume.reset();
      give_up(*failure);
      self_->send(next_, end_stream{from.stream, from.acked});
      co_return;
    }
    auto more = true;
    while (!stopping_ && (more || from.resume)) {
      if (from.resume)
        more = co_await start_over(from);
      else if (in_flight() >= config_.window_bytes)
        co_await wake_.wait();
      else if (from.pipe)
        more = co_await read_pipe(from);
      else
        more = co_await read_file(from);
    }
    from.resume.reset();
    if (!from.pipe)
      from.opened.reset();
    self_->send(next_, end_stream{from.stream, from.position});
  }

  /// What a receiver wants to have again is on its way no more, and must not hold up what comes before it.
  std::uint64_t in_flight() const {
    std::uint64_t sum = 0;
    for (auto& [id, from] : inputs_)
      if (!from.resume && from.position > from.acked)
        sum += from.position - from.acked;
    return sum;
  }

  /// Goes to where the receiver wants to resume. Returns whether there is anything to read there.
  task<bool> start_over(input& from) {
    auto last = *std::exchange(from.resume, std::nullopt);
    if (from.pipe) {
      if (last.position != from.position) {
        give_up({errc::not_rereadable,
                 fmt::format("{}: the receiver wants to resume at byte {}, but only what follows byte {} can still be "
                             "read",
                             from.path, last.position, from.position)});
        co_return false;
      }
    } else {
      auto info = co_await run_blocking(self_, env_.io,
                                        [opened = from.opened] { return opened->info(); });
      if (!info) {
        give_up(info.error());
        co_return false;
      }
      if (info->size < last.position) {
        spdlog::warn("{}: is {} bytes long, but {} are stored already: it was truncated; starting over", from.path,
                     info->size, last.position);
        last = {last.epoch + 1, 0, 0};
      }
    }
    from.position = from.acked = last.position;
    self_->send(next_, restart_stream{from.stream, last});
    co_return true;
  }

  task<bool> read_file(input& from) {
    auto taken = co_await run_blocking(
      self_, env_.io,
      [opened = from.opened, at = from.position, limits = config_.limits, pool = pool_] {
        return read_chunk(*opened, at, limits, pool->take());
      });
    if (!taken) {
      give_up(taken.error());
      co_return false;
    }
    hand_on(from, std::move(taken->lines), taken->records);
    co_return !taken->at_end;
  }

  task<bool> read_pipe(input& from) {
    auto taken = co_await run_blocking(
      self_, env_.io, [pipe = from.pipe, pool = pool_] { return pipe->read(pool->take()); });
    if (!taken) {
      give_up(taken.error());
      co_return false;
    }
    hand_on(from, std::move(taken->lines), taken->records);
    if (!taken->at_end)
      self_->send(next_, idle_atom_v, from.stream);
    co_return !taken->at_end;
  }

  void hand_on(input& from, lines_payload lines, std::uint32_t records) {
    if (records == 0)
      return;
    auto begin = from.position;
    from.position += lines.text_bytes();
    metrics_.received(records, lines.text_bytes());
    metrics_.sent(records, lines.text_bytes());
    self_->send(next_, chunk{from.stream, std::make_shared<lines_payload>(std::move(lines)), records,
                             begin, from.position, env_.now()});
  }

  void give_up(const error& reason) {
    spdlog::error("{}", reason.message);
    metrics_.failed(reason.code);
    errors_.push_back(reason.message);
  }

  source_actor::pointer self_;
  environment& env_;
  file_source_config config_;
  std::shared_ptr<buffer_pool> pool_;
  batcher_actor next_;
  component_metrics metrics_;
  std::shared_ptr<file_registry> registry_;
  std::mt19937_64 random_;
  std::unordered_map<stream_id, input> inputs_; // addresses are stable
  input* announced_ = nullptr;                  ///< The one whose first welcome has not come.
  std::deque<input*> to_read_;
  bool stopping_ = false;
  std::vector<std::string> errors_;
  signal wake_;
  task_scope tasks_;
};

} // namespace

source_actor spawn_file_source(caf::actor_system& system, environment& env,
                               file_source_config config, std::shared_ptr<buffer_pool> pool,
                               batcher_actor next) {
  return system.spawn<source_actor::stateful_impl<file_source_state>>(
    std::ref(env), std::move(config), std::move(pool), std::move(next));
}

} // namespace sluice
