#include "tests/simulation/spine_applications.hpp"

namespace sluice::test {

std::string hostile_text(sim_world& world, std::uint64_t max_bytes) {
  std::string text;
  for (auto bytes = world.random_below(max_bytes + 1); text.size() < bytes;) {
    std::uint64_t style = world.random_below(16);
    auto length = style == 0 ? 0 : style == 1 ? world.random_below(max_line_bytes) : world.random_below(200);
    for (std::uint64_t i = 0; i < length; ++i) {
      auto byte = style < 6 ? static_cast<char>(world.random_below(256)) : static_cast<char>('a' + i % 26);
      text += byte == '\n' ? '\r' : byte;
    }
    text += style == 7 ? "\r\n" : "\n";
  }
  if (!text.empty() && world.random_below(2) == 0)
    text.pop_back();
  return text;
}

void application::start(caf::timespan duration) {
  auto steps = 1 + world_.random_below(40);
  auto pause = duration / static_cast<std::int64_t>(steps);
  for (std::uint64_t i = 0; i < steps; ++i)
    world_.after(pause * static_cast<std::int64_t>(i), [this] { write(); });
  world_.after(duration, [this] {
    finish();
    is_done_ = true;
  });
}

void pipe_application::write() {
  auto piece = hostile_text(world(), 2'000);
  files().append_content(pipe_path, piece);
  text_ += piece;
}

void pipe_application::on_kill(const ship_status& status) {
  auto end = files().taken_from_pipe(pipe_path);
  auto others_are_counted = shipper().config().spool->takes_all;
  auto confirmed = others_are_counted ? 0 : status.spool.written_bytes;
  before_.push_back({text_.substr(begin_, end - begin_), confirmed, shipper().epoch()});
  begin_ = end;
}

std::vector<written_file> pipe_application::written() const {
  auto all = before_;
  auto last = text_.substr(begin_);
  all.push_back({last, last.size(), shipper().epoch()});
  return all;
}

// -- log_application ----------------------------------------------------------

void log_application::write() {
  if (texts_.empty())
    return begin_file();
  if (how_ != rotation::none && world().random_below(4) == 0 && is_seen())
    return rotate();
  append(path_, texts_.back(), hostile_text(world(), 3'000));
}

/// What cannot be told from another file by its beginning could be taken for it.
void log_application::begin_file() {
  texts_.emplace_back();
  begun_ = world().now();
  append(path_, texts_.back(), fmt::format("file {}\n", texts_.size()));
}

void log_application::append(const std::string& name, std::string& to, const std::string& text) {
  files().append_content(name, text);
  to += text;
}

/// Whether the shipper must have looked at the newest file.
bool log_application::is_seen() const {
  if (how_ == rotation::rename)
    return files().content(sim_shipper::notes_path).find(path_) != std::string::npos;
  constexpr std::chrono::seconds longest_pause{10};
  return shipper().awake_since() && world().now() - std::max(*shipper().awake_since(), begun_) > longest_pause;
}

void log_application::rotate() {
  for (auto age = texts_.size() - 1; age > 0; --age)
    files().move_content(rotated_name(age), rotated_name(age + 1));
  if (how_ == rotation::rename) {
    files().move_content(path_, rotated_name(1));
    write_late();
  } else {
    files().set_content(rotated_name(1), texts_.back());
    files().set_content(path_, "");
  }
  begin_file();
}

/// The program goes on for a moment with the file that it has open.
void log_application::write_late() {
  if (world().random_below(4) != 0)
    return;
  was_late_ = true;
  auto number = texts_.size();
  world().after(std::chrono::milliseconds{world().random_below(1'000)},
    [this, number] { append(rotated_name(texts_.size() - number), texts_[number - 1], hostile_text(world(), 300)); });
}

void log_application::finish() {
  if (texts_.empty())
    begin_file();
  if (!texts_.back().ends_with('\n'))
    append(path_, texts_.back(), "\n");
}

std::vector<written_file> log_application::written() const {
  std::vector<written_file> all;
  for (auto& text : texts_)
    all.push_back({text});
  return all;
}

} // namespace sluice::test
