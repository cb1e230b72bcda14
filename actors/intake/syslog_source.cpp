#include "actors/intake/syslog_source.hpp"

namespace sluice {

void syslog_source::open(peer_id peer, std::string_view) {
  peers_.try_emplace(peer, max_message_bytes_);
}

void syslog_source::feed(peer_id peer, std::string_view bytes, timestamp now, const take_record& take) {
  auto& framer = peers_.try_emplace(peer, max_message_bytes_).first->second;
  auto cut = framer.cut_messages();
  auto was_broken = framer.is_broken();
  framer.feed(bytes, [&](std::string_view message, bool continues) { give(message, continues, now, take); });
  counts_.too_large += framer.cut_messages() - cut;
  counts_.malformed += framer.is_broken() && !was_broken;
}

void syslog_source::close(peer_id peer, timestamp now, const take_record& take) {
  auto found = peers_.find(peer);
  if (found == peers_.end())
    return;
  found->second.finish([&](std::string_view message, bool continues) { give(message, continues, now, take); });
  peers_.erase(found);
}

void syslog_source::close_all(timestamp now, const take_record& take) {
  while (!peers_.empty())
    close(peers_.begin()->first, now, take);
}

void syslog_source::give(std::string_view message, bool continues, timestamp now, const take_record& take) {
  message = without_trailer(message);
  if (message.empty())
    return;
  if (continues) {
    record_ = {};
    record_.time = now;
    record_.body = message;
  } else if (parser_.parse(message, now, record_) == syslog_format::unparsed) {
    ++counts_.unparsed;
  }
  take(record_);
}

} // namespace sluice
