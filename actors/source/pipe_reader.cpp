#include "actors/source/pipe_reader.hpp"

#include "transport/file_system.hpp"

namespace sluice {

expected<file_chunk> pipe_reader::read(buffer memory) {
  constexpr std::size_t read_bytes = 64 * 1024;
  std::chrono::milliseconds patience{200};
  file_chunk made{lines_payload{std::move(memory)}};
  made.lines.append(rest_.text());
  line_cutter cutter{limits_};
  while (!cutter.scan(made.lines.text())) {
    auto got = opened_->read_some(made.lines.prepare(read_bytes), patience);
    if (!got) {
      rest_.clear();
      rest_.append(as_bytes(made.lines.text()));
      return fail(std::move(got.error()));
    }
    if (!*got)
      break;
    made.lines.commit(**got);
    patience = {};
    made.at_end = **got == 0;
    if (made.at_end)
      break;
  }
  cut(made, cutter, made.at_end);
  return made;
}

file_chunk pipe_reader::rest(buffer memory) {
  file_chunk made{lines_payload{std::move(memory)}};
  made.lines.append(rest_.text());
  line_cutter cutter{limits_};
  cutter.scan(made.lines.text());
  cut(made, cutter, true);
  return made;
}

void pipe_reader::cut(file_chunk& made, const line_cutter& cutter, bool last) {
  auto cut = cutter.take(made.lines.text(), last);
  made.at_end = last && cut.bytes == made.lines.text_bytes();
  rest_.clear();
  rest_.append(as_bytes(made.lines.text().substr(cut.bytes)));
  made.lines.truncate(cut.bytes);
  made.records = cut.records;
}

} // namespace sluice
