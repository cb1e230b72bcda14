#pragma once

#include <optional>

#include "actors/intake/framed_source.hpp"
#include "actors/intake/line_form.hpp"
#include "messages/ingest/json_record_reader.hpp"

namespace sluice {

/// Lines over connections (docs/specs/lines.md).
class line_source final : public framed_source<line_framer> {
public:
  line_source(framed_limits limits, line_form form) : framed_source(limits) {
    if (form == line_form::json)
      json_.emplace(json_form::fields);
  }

private:
  void give(const framed_piece& piece, timestamp now, const take_record& take) override;
  bool parse(std::string_view line, timestamp now);

  std::optional<json_record_reader> json_;
  record_view record_;
};

} // namespace sluice
