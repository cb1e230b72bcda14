// Writes the seed corpora: make_corpus tests/fuzz/corpus

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "messages/datagram.hpp"
#include "messages/protocol.hpp"
#include "messages/record_codec.hpp"

using namespace sluice;

namespace {

std::filesystem::path root;

void write(const std::string& target, const std::string& name, std::string_view content) {
  auto folder = root / target;
  std::filesystem::create_directories(folder);
  std::ofstream out{folder / name, std::ios::binary};
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!out.flush()) {
    std::fprintf(stderr, "cannot write %s\n", (folder / name).c_str());
    std::exit(1);
  }
}

timestamp at_ns(std::int64_t ns) {
  return timestamp{std::chrono::nanoseconds{ns}};
}

buffer lines() {
  lines_payload payload;
  payload.append("first\nsecond\r\n\nlast, not terminated");
  return std::move(payload).finish(at_ns(1'700'000'000'000'000'000));
}

buffer records(bool times, bool levels, bool attributes) {
  record_encoder encoder;
  for (int i = 0; i < 3; ++i) {
    record_view record;
    record.time = at_ns(1'700'000'000'000'000'000 + (times ? 1'000'000 * ((i * 7) % 5) : 0));
    record.body = i == 1 ? "" : "body\nwith a line feed";
    if (levels && i != 0)
      record.level = i == 1 ? severity::error : severity::debug;
    if (attributes && i != 1)
      record.attributes = {{"pid", "4711"}, {"empty", ""}};
    if (auto ok = encoder.append(record); !ok)
      std::exit(1);
  }
  return encoder.finish();
}

frame make_frame(codec compression, const buffer& payload, int labels) {
  frame_header header;
  header.compression = compression;
  header.decoded_bytes = 1000;
  header.stream.producer.fill(0x11);
  header.stream.source.fill(0x22);
  header.record_count = 4;
  header.position_end = 36;
  for (int i = 0; i < labels; ++i)
    if (auto ok = header.labels.set("key-" + std::to_string(i), i == 0 ? "" : "gr\xc3\xbc\xc3\x9f"); !ok)
      std::exit(1);
  return frame::encode(std::move(header), payload.view()).value();
}

frame make_gap(std::uint32_t records, std::string_view reason) {
  frame_header header;
  header.kind = frame_kind::gap;
  header.stream.producer.fill(0x11);
  header.sequence = 8;
  header.record_count = records;
  header.first_timestamp = at_ns(1'700'000'000'000'000'000);
  header.last_timestamp = at_ns(1'700'000'001'000'000'000);
  header.position_begin = 4096;
  header.position_end = 8192;
  return frame::encode(std::move(header), as_bytes(reason)).value();
}

std::string wire(const link_message& message) {
  std::string bytes{encode_head(message).text()};
  if (auto* bulk = std::get_if<frame>(&message))
    bytes += as_text(bulk->bytes());
  return bytes;
}

void write_frames() {
  write("frame", "plain", as_text(make_frame(codec::none, lines(), 0).bytes()));
  write("frame", "labelled", as_text(make_frame(codec::none, lines(), 3).bytes()));
  write("frame", "zstd", as_text(make_frame(codec::zstd, records(true, true, true), 1).bytes()));
  write("frame", "gap", as_text(make_gap(12, gap_reason::drop_newest).bytes()));
  write("frame", "gap_of_unknown_size", as_text(make_gap(0, gap_reason::truncated).bytes()));
  write("frame", "unknown_codec", as_text(make_frame(codec{9}, lines(), 32).bytes()));
}

void write_records() {
  std::string count4{"\4\0\0\0", 4}, count3{"\3\0\0\0", 4};
  write("record", "lines", count4 + std::string{lines().text()});
  for (int columns = 0; columns < 8; ++columns) {
    auto payload = records((columns & 1) != 0, (columns & 2) != 0, (columns & 4) != 0);
    write("record", "sized_" + std::to_string(columns), count3 + std::string{payload.text()});
  }
}

void write_messages() {
  stream_id stream;
  stream.producer.fill(0x11);
  stream_point point{1, 7, 4096};
  id128 store;
  store.fill(0x33);
  auto notice_message = wire(notice{{errc::sequence_gap, "sequence 9 does not follow 7"}, true});
  auto data = wire(make_frame(codec::none, lines(), 1));
  // The first byte: side 0 shipper or 1 receiver, 2 checks made right, pieces of 64.
  write("message_decoder", "shipper",
    "\xfc" + wire(hello{stream, point, store, 2}) + data + wire(heartbeat{}) + notice_message);
  write("message_decoder", "shipper_fixed", "\xfe" + data + data + wire(hello{}));
  write("message_decoder", "receiver", "\xfd" + wire(welcome{stream, point, store}) + wire(ack{stream, point}));
  write("message_decoder", "receiver_fixed", "\x03" + notice_message + wire(ack{}) + wire(heartbeat{}));
  write("message_decoder", "preface", "\xfc" + std::string{as_text(preface())});
  write("message_decoder", "http", "\xfcGET / HTTP/1.1\r\n");
}

void write_datagrams() {
  auto text = [](const datagram_head& head, std::string_view payload) {
    return std::string{as_text(encode_datagram_head(head, as_bytes(payload)))} + std::string{payload};
  };
  datagram_head head{.kind = datagram_kind::open, .connection = 0x1122334455667788};
  write("datagram", "open", text(head, ""));
  head = {.connection = 1, .token = 2, .acked = 7, .selective = 0b101, .limit_bytes = 1 << 20};
  head.asks = true;
  write("datagram", "ack", text(head, ""));
  head.asks = false;
  head.kind = datagram_kind::token;
  write("datagram", "token", text(head, ""));
  head.kind = datagram_kind::close;
  write("datagram", "close", text(head, ""));
  head.kind = datagram_kind::data;
  head.number = 1;
  write("datagram", "data", text(head, as_text(preface())));
  head.last = true;
  write("datagram", "last", text(head, ""));
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus FOLDER\n");
    return 64;
  }
  root = argv[1];
  write_frames();
  write_records();
  write_messages();
  write_datagrams();
  return 0;
}
