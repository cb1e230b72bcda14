#include "actors/intake/line_source.hpp"

namespace sluice {

void line_source::open(peer_id peer, std::string_view) {
  peers_.try_emplace(peer, max_line_bytes_);
}

void line_source::feed(peer_id peer, std::string_view bytes, timestamp now, const take_record& take) {
  auto& framer = peers_.try_emplace(peer, max_line_bytes_).first->second;
  auto cut = framer.cut_lines();
  framer.feed(bytes, [&](std::string_view line, bool continues) { give(line, continues, now, take); });
  counts_.too_large += framer.cut_lines() - cut;
}

void line_source::close(peer_id peer, timestamp now, const take_record& take) {
  auto found = peers_.find(peer);
  if (found == peers_.end())
    return;
  found->second.finish([&](std::string_view line, bool continues) { give(line, continues, now, take); });
  peers_.erase(found);
}

void line_source::close_all(timestamp now, const take_record& take) {
  while (!peers_.empty())
    close(peers_.begin()->first, now, take);
}

void line_source::give(std::string_view line, bool continues, timestamp now, const take_record& take) {
  if (!json_ || continues)
    take_as_it_came(line, now, record_);
  else if (!parse(line, now))
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
