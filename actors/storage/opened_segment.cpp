#include "actors/storage/opened_segment.hpp"

namespace sluice {

expected<opened_segment> opened_segment::open(file_system& files, const std::filesystem::path& where) {
  auto opened = files.open(where, open_mode::read);
  if (!opened)
    return fail(opened.error());
  auto info = (*opened)->info();
  if (!info)
    return fail(info.error());
  return opened_segment{std::move(*opened), info->size};
}

expected<buffer> opened_segment::read(std::uint64_t offset, std::size_t count) const {
  if (offset > size_ || count > size_ - offset)
    return fail(errc::truncated, "the file ends before it");
  buffer result;
  result.resize(count);
  auto got = file_->read_at({result.data(), count}, offset);
  if (!got)
    return fail(got.error());
  if (*got != count)
    return fail(errc::truncated, "the file ends before it");
  return result;
}

expected<opened_segment::footer> opened_segment::read_footer() const {
  using segment_limits::trailer_bytes;
  if (size_ < trailer_bytes)
    return fail(errc::truncated, "no footer");
  auto trailer = read(size_ - trailer_bytes, trailer_bytes);
  if (!trailer)
    return fail(trailer.error());
  auto offset = decode_footer_offset(trailer->view(), size_);
  if (!offset)
    return fail(offset.error());
  auto bytes = read(*offset, size_ - *offset);
  if (!bytes)
    return fail(bytes.error());
  auto index = decode_footer(bytes->view(), *offset);
  if (!index)
    return fail(index.error());
  return footer{*offset, std::move(*index)};
}

} // namespace sluice
