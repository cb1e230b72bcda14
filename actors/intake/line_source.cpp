#include "actors/intake/line_source.hpp"

namespace sluice {

void line_source::give(const framed_piece& piece, timestamp now, const take_record& take) {
  if (!json_ || !piece.is_first)
    take_as_it_came(piece.text, now, record_);
  else if (!parse(piece.text, now))
    ++counts_.unparsed;
  take(record_);
}

bool line_source::parse(std::string_view line, timestamp now) {
  auto found = json_->read(line, now, record_);
  if (!found)
    take_as_it_came(line, now, record_);
  return found == json_record_reader::result::parsed;
}

} // namespace sluice
