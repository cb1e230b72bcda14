#pragma once

#include "actors/intake/framed_source.hpp"
#include "messages/syslog/syslog_framer.hpp"
#include "messages/syslog/syslog_parser.hpp"

namespace sluice {

/// Syslog over connections and datagrams (docs/specs/syslog.md).
class syslog_source final : public framed_source<syslog_framer> {
public:
  syslog_source(framed_limits limits, local_zone::ask_offset zone) : framed_source(limits), parser_(std::move(zone)) {}

private:
  void give(const framed_piece& piece, timestamp now, const take_record& take) override;

  syslog_parser parser_;
  record_view record_;
};

} // namespace sluice
