#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace sluice {

/// Where something stands in a file, counted from 1.
struct text_place {
  int line = 1;
  int column = 1;

  friend auto operator<=>(const text_place&, const text_place&) = default;
};

/// A YAML document as it is written: with places, and with keys that are given twice.
struct yaml_node {
  enum class kind_type : std::uint8_t { null, scalar, list, map };
  struct member;

  kind_type kind = kind_type::null;
  text_place place;
  std::string text;             ///< Of a scalar.
  std::vector<yaml_node> items; ///< Of a list.
  std::vector<member> members;  ///< Of a map, in the order of the file.
};

struct yaml_node::member {
  std::string key;
  text_place place; ///< Of the key.
  yaml_node value;
};

/// Why a document could not be read.
struct yaml_problem {
  text_place place;
  std::string message;
};

/// Reads the one document of `text`; null if it is empty. Anchors and aliases are refused, so that what is read is
/// never larger than what is written; so is what is nested deeply, or has more than `max_yaml_nodes` nodes.
tl::expected<yaml_node, yaml_problem> parse_yaml(const std::string& text);

inline constexpr std::size_t max_yaml_nodes = 20'000;
inline constexpr std::size_t max_yaml_depth = 32;

} // namespace sluice
