#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "messages/ingest/attributes.hpp"
#include "messages/ingest/text_arena.hpp"

namespace sluice {

/// How pairs are written.
struct key_value_form {
  char between_pairs = ' '; ///< If it is a space, tabs are, too.
  char within_pair = '=';
};

/// Makes attributes of `key=value key="value"` (docs/specs/transforms.md, `parse_key_value`). Not thread-safe.
class key_value_reader {
public:
  explicit key_value_reader(key_value_form form = {});

  /// Sets attributes of `to`, which hold until the next call and while `text` does. If not all could be set, `to` is of
  /// no use.
  attribute_outcome read(std::string_view text, std::string_view prefix, attribute_list& to);

private:
  using character_set = std::array<bool, 256>;

  static std::string_view take_until(const character_set& ends, std::string_view& text) noexcept;
  std::optional<std::string_view> take_value(std::string_view& text);
  std::string_view unescape(std::string_view quoted);

  key_value_form form_;
  character_set ends_pair_{}, ends_key_{};
  text_arena arena_;
  std::string unescaped_;
};

} // namespace sluice
