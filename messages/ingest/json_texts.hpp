#pragma once

#include <string>
#include <string_view>

#include <boost/json/serializer.hpp>
#include <boost/json/value.hpp>

#include "messages/ingest/text_arena.hpp"

namespace sluice {

/// Writes JSON values as the values of attributes. Not thread-safe.
class json_texts {
public:
  /// A string as it is, anything else as JSON. Holds until the next `clear` and while `value` does.
  std::string_view of(const boost::json::value& value);

  text_arena& arena() noexcept { return arena_; }
  void clear() noexcept { arena_.clear(); }

private:
  text_arena arena_;
  boost::json::serializer serializer_;
  std::string text_;
};

} // namespace sluice
