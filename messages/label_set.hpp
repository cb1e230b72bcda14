#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "messages/errc.hpp"

namespace sluice {

/// A small list of key=value pairs, sorted by key, that describes a stream. Bounded as docs/specs/frame.md says, so
/// that neither a frame header nor a metric can grow without limit.
class label_set {
public:
  using value_type = std::pair<std::string, std::string>;

  static constexpr std::size_t max_labels = 32;
  static constexpr std::size_t max_key_bytes = 128;
  static constexpr std::size_t max_value_bytes = 1024;
  static constexpr std::size_t max_encoded_bytes = 16 * 1024 - 128; ///< All labels, in a frame header.

  /// Adds a label or replaces its value. Fails with `invalid_argument`, changing nothing, if the key, the value, the
  /// count or the size of all labels breaks its bound.
  expected<void> set(std::string_view key, std::string_view value);

  /// The value of `key`, or nullptr.
  const std::string* find(std::string_view key) const noexcept;

  auto begin() const noexcept { return labels_.begin(); }
  auto end() const noexcept { return labels_.end(); }
  std::size_t size() const noexcept { return labels_.size(); }
  bool empty() const noexcept { return labels_.empty(); }

  /// Size in a frame header.
  std::size_t encoded_bytes() const noexcept;

  friend bool operator==(const label_set&, const label_set&) = default;

  template <class Inspector>
  friend bool inspect(Inspector& f, label_set& x) {
    auto get = [&x]() -> decltype(auto) { return (x.labels_); };
    auto set = [&x](const std::vector<value_type>& labels) { return x.assign(labels); };
    return f.object(x).fields(f.field("labels", get, set));
  }

private:
  bool assign(const std::vector<value_type>& labels);

  std::vector<value_type> labels_;
};

/// `{host="a", source="b"}`.
std::string to_string(const label_set& labels);

/// Whether `text` is well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;

} // namespace sluice
