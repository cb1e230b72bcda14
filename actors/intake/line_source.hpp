#pragma once

#include <optional>
#include <unordered_map>

#include "actors/intake/line_form.hpp"
#include "actors/intake/record_source.hpp"
#include "messages/ingest/json_record_reader.hpp"
#include "messages/line_framer.hpp"

namespace sluice {

/// Lines over connections (docs/specs/lines.md).
class line_source final : public record_source {
public:
  line_source(std::size_t max_line_bytes, line_form form) : max_line_bytes_(max_line_bytes) {
    if (form == line_form::json)
      json_.emplace(json_form::fields);
  }

  void open(peer_id peer, std::string_view name) override;
  void feed(peer_id peer, std::string_view bytes, timestamp now, const take_record& take) override;
  void datagram(std::string_view message, timestamp now, const take_record& take) override {
    give(message, false, now, take);
  }
  void close(peer_id peer, timestamp now, const take_record& take) override;
  void close_all(timestamp now, const take_record& take) override;
  intake_counts take_counts() override { return std::exchange(counts_, {}); }

private:
  void give(std::string_view line, bool continues, timestamp now, const take_record& take);
  bool parse(std::string_view line, timestamp now);

  std::size_t max_line_bytes_;
  std::optional<json_record_reader> json_;
  record_view record_;
  std::unordered_map<peer_id, line_framer> peers_;
  intake_counts counts_;
};

} // namespace sluice
