#pragma once

#include <unordered_map>

#include "actors/intake/record_source.hpp"
#include "messages/syslog/syslog_framer.hpp"
#include "messages/syslog/syslog_parser.hpp"

namespace sluice {

/// Syslog over connections and datagrams (docs/specs/syslog.md).
class syslog_source final : public record_source {
public:
  syslog_source(std::size_t max_message_bytes, local_zone::ask_offset zone)
    : max_message_bytes_(max_message_bytes), parser_(std::move(zone)) {}

  void open(peer_id peer, std::string_view name) override;
  void feed(peer_id peer, std::string_view bytes, timestamp now, const take_record& take) override;
  void datagram(std::string_view message, timestamp now, const take_record& take) override {
    give(message, false, now, take);
  }
  void close(peer_id peer, timestamp now, const take_record& take) override;
  void close_all(timestamp now, const take_record& take) override;
  intake_counts take_counts() override { return std::exchange(counts_, {}); }

private:
  void give(std::string_view message, bool continues, timestamp now, const take_record& take);

  std::size_t max_message_bytes_;
  syslog_parser parser_;
  record_view record_;
  std::unordered_map<peer_id, syslog_framer> peers_;
  intake_counts counts_;
};

} // namespace sluice
