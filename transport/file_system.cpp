#include "transport/file_system.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sluice {

expected<std::string> read_file(file_system& files, const std::filesystem::path& where, std::size_t max_bytes) {
  auto opened = files.open(where, open_mode::read);
  if (!opened)
    return fail(opened.error());
  auto info = (*opened)->info();
  if (!info)
    return fail(info.error());
  // One byte more than announced shows whether the file has grown.
  std::string content(std::min<std::uint64_t>(info->size, max_bytes) + 1, '\0');
  std::size_t filled = 0;
  while (filled <= max_bytes) {
    auto into = std::as_writable_bytes(std::span{content}).subspan(filled);
    auto count = (*opened)->read_at(into, filled);
    if (!count)
      return fail(count.error());
    filled += *count;
    if (*count < into.size()) {
      content.resize(filled);
      return content;
    }
    content.resize(std::min(2 * content.size(), max_bytes + 1));
  }
  return fail(errc::too_large, fmt::format("{}: larger than {} bytes", where.native(), max_bytes));
}

expected<void> replace_file(file_system& files, const std::filesystem::path& where, std::string_view content) {
  auto temporary = where;
  temporary += ".tmp";
  if (auto removed = files.remove(temporary); !removed && removed.error().code != errc::not_found)
    return removed;
  auto write = [&]() -> expected<void> {
    auto opened = files.open(temporary, open_mode::create);
    if (!opened)
      return fail(opened.error());
    const byte_view parts[] = {as_bytes(content)};
    return (*opened)->write_at(parts, 0).and_then([&] { return (*opened)->sync(); });
  };
  auto folder = where.parent_path();
  return write().and_then([&] { return files.rename(temporary, where); }).and_then([&] {
    return files.sync_folder(folder.empty() ? "." : folder);
  });
}

} // namespace sluice
