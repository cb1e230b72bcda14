#include "actors/source/file_source.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <unordered_map>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <spdlog/spdlog.h>

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
    std::shared_ptr<pipe_reader> pipe;  ///< What cannot be read twice.
    std::optional<stream_point> resume; ///< Where the receiver wants it to go on.
    std::uint64_t position = 0;
    std::uint64_t acked = 0;
    bool is_lost = false; ///< Cannot be read from where the receiver wants it.
  };

  file_source_state(source_actor::pointer self, environment& env, file_source_config config,
    std::shared_ptr<buffer_pool> pool, batcher_actor next)
    : self_(self), env_(env), config_(std::move(config)), pool_(std::move(pool)), next_(std::move(next)),
      metrics_(self->system(), name), registry_(std::make_shared<file_registry>(env.files, config_.file_notes)),
      random_(env.seed ^ self->id()), wake_(self) {}

  source_actor::behavior_type make_behavior() {
    tasks_.spawn(run());
    return {
      [this](const welcome& x) {
        if (auto found = inputs_.find(x.stream); found != inputs_.end()) {
          found->second.resume = x.last;
          queue(found->second);
          wake_.notify();
        }
      },
      [this](const ack& x) {
        if (auto found = inputs_.find(x.stream); found != inputs_.end()) {
          move(found->second, found->second.position, x.last.position);
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
    to_announce_.assign(config_.paths.begin(), config_.paths.end());
    auto said_end = false;
    for (;;) {
      if (auto* next = take_readable()) {
        if (co_await read_on(*next))
          queue(*next);
        else
          end(*next);
      } else if (!to_announce_.empty() && !stopping_ && !announced_ && to_read_.empty()) {
        auto path = std::move(to_announce_.front());
        to_announce_.pop_front();
        co_await announce(std::move(path));
      } else {
        if (stopping_ && announced_)
          self_->send(next_, end_stream{std::exchange(announced_, nullptr)->stream, 0});
        if ((to_announce_.empty() || stopping_) && !announced_ && to_read_.empty() &&
            !std::exchange(said_end, true))
          self_->send(next_, end_of_input_atom_v);
        co_await wake_.wait();
      }
    }
  }

  void queue(input& x) {
    if (std::find(to_read_.begin(), to_read_.end(), &x) == to_read_.end())
      to_read_.push_back(&x);
  }

  /// The next in turn that may be read: all while there is credit, otherwise only one that is to start over, for
  /// that gives credit back.
  input* take_readable() {
    auto found = std::find_if(to_read_.begin(), to_read_.end(),
      [this](input* x) { return x->resume || stopping_ || in_flight_ < config_.window_bytes; });
    if (found == to_read_.end())
      return nullptr;
    auto* next = *found;
    to_read_.erase(found);
    return next;
  }

  task<void> announce(std::string path) {
    input made;
    made.path = path;
    made.stream.producer = config_.producer;
    if (auto given = config_.opened.find(path); given != config_.opened.end())
      made.opened = given->second;
    if (auto failure = co_await open(made)) {
      give_up(*failure);
      co_return;
    }
    auto info = co_await run_blocking(self_, env_.io, [opened = made.opened] { return opened->info(); });
    if (info && !info->regular) {
      made.pipe = std::make_shared<pipe_reader>(made.opened, config_.limits);
      std::generate(
        made.stream.source.begin(), made.stream.source.end(), [this] { return static_cast<std::uint8_t>(random_()); });
    } else if (auto key = co_await run_blocking(self_, env_.io,
                 [opened = made.opened, registry = registry_] { return registry->identify(*opened); })) {
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
    self_->send(next_, open_stream{at->first, labels, self_->ctrl(), !at->second.pipe});
  }

  static std::string label_value(const std::string& path) {
    return path == "-" ? "stdin" : path.substr(0, label_set::max_value_bytes);
  }

  /// Returns why it could not be opened.
  task<std::optional<error>> open(input& from) {
    if (from.opened)
      co_return std::nullopt;
    auto opened = co_await run_blocking(
      self_, env_.io, [&files = env_.files, path = from.path] { return files.open(path, open_mode::read); });
    if (!opened)
      co_return opened.error();
    from.opened = std::move(*opened);
    co_return std::nullopt;
  }

  /// Starts over where the receiver wants to, or reads a chunk. Returns whether there may be more.
  task<bool> read_on(input& from) {
    if (announced_ == &from)
      announced_ = nullptr;
    if (from.resume)
      co_return co_await start_over(from);
    if (stopping_)
      co_return false;
    co_return co_await (from.pipe ? read_pipe(from) : read_file(from));
  }

  /// Goes to where the receiver wants to resume. Returns whether there may be something to read there.
  task<bool> start_over(input& from) {
    auto last = *std::exchange(from.resume, std::nullopt);
    if (last.epoch < config_.epoch)
      last = {config_.epoch, 0, last.position};
    auto failure = from.pipe ? check_pipe(from, last) : co_await check_file(from, last);
    move(from, last.position, last.position);
    self_->send(next_, restart_stream{from.stream, last});
    if (failure)
      give_up(*failure);
    from.is_lost = failure.has_value();
    co_return !failure;
  }

  static std::optional<error> check_pipe(const input& from, const stream_point& last) {
    if (last.position == from.position)
      return std::nullopt;
    return error{errc::not_rereadable,
      fmt::format("{}: the receiver wants to resume at byte {}, but only what follows byte {} can still be "
                  "read",
        from.path, last.position, from.position)};
  }

  /// Opens the file if need be. One that is shorter than what is stored is a new stream, announced in its turn.
  task<std::optional<error>> check_file(input& from, const stream_point& last) {
    if (auto failure = co_await open(from))
      co_return failure;
    auto info = co_await run_blocking(self_, env_.io, [opened = from.opened] { return opened->info(); });
    if (!info)
      co_return info.error();
    if (info->size < last.position) {
      spdlog::warn("{}: is {} bytes long, but {} are stored already: it was truncated; starting over", from.path,
        info->size, last.position);
      auto renewed =
        co_await run_blocking(self_, env_.io, [opened = from.opened, registry = registry_, old = from.stream.source] {
          return registry->renew(*opened, old);
        });
      if (!renewed)
        co_return renewed.error();
      to_announce_.push_back(from.path);
    }
    co_return std::nullopt;
  }

  void end(input& from) {
    if (from.pipe && !from.is_lost)
      for (auto rest = from.pipe->rest(pool_->take()); rest.records > 0; rest = from.pipe->rest(pool_->take()))
        hand_on(from, std::move(rest.lines), rest.records);
    else if (!from.pipe)
      from.opened.reset();
    self_->send(next_, end_stream{from.stream, from.position});
  }

  /// Sets how far an input is read and acknowledged, and what all of them have on their way with it. What is to be
  /// read again is on its way no more.
  void move(input& x, std::uint64_t position, std::uint64_t acked) {
    auto held = [&x] { return x.position > x.acked ? x.position - x.acked : 0; };
    in_flight_ -= held();
    x.position = position;
    x.acked = acked;
    in_flight_ += held();
  }

  task<bool> read_file(input& from) {
    auto taken = co_await run_blocking(
      self_, env_.io, [opened = from.opened, at = from.position, limits = config_.limits, pool = pool_] {
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
    auto taken =
      co_await run_blocking(self_, env_.io, [pipe = from.pipe, pool = pool_] { return pipe->read(pool->take()); });
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
    move(from, begin + lines.text_bytes(), from.acked);
    metrics_.received(records, lines.text_bytes());
    metrics_.sent(records, lines.text_bytes());
    self_->send(next_,
      chunk{from.stream, std::make_shared<lines_payload>(std::move(lines)), records, begin, from.position, env_.now()});
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
  std::deque<std::string> to_announce_;         ///< Paths.
  std::deque<input*> to_read_;                  ///< Welcomed and not at their end, each once, longest waiting first.
  std::uint64_t in_flight_ = 0;                 ///< Bytes read and not acknowledged, over all inputs.
  bool stopping_ = false;
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
