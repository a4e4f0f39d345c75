package io.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every claim of a file is checked; a wrong one gives a message with file, finding and remedy. */
class SafetensorsHostileTest {
  private static Path fuzzDirectory;
  private static byte[] good;

  @TempDir Path directory;

  private Path write(long length, String json, int data) throws IOException {
    byte[] text = json.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes =
        ByteBuffer.allocate(8 + text.length + data)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(length)
            .put(text);
    return Files.write(directory.resolve("bad.safetensors"), bytes.array());
  }

  private static String f32(String shape, String offsets) {
    return "{\"x\":{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
  }

  private static String two(String first, String second) {
    return "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":"
        + first
        + "},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":"
        + second
        + "}}";
  }

  static Stream<Arguments> headers() {
    return Stream.of(
        arguments("", 0, "the header must begin with '{'"),
        arguments("[]", 0, "the header must begin with '{'"),
        arguments(" {}", 0, "the header must begin with '{'"),
        arguments("{", 0, "not valid JSON"),
        arguments("{\"x\":", 0, "not valid JSON"),
        arguments("{'x':1}", 0, "not valid JSON"),
        arguments("{} {}", 0, "more than one JSON value"),
        arguments("{}\0", 0, "not valid JSON"),
        arguments("{\"x\":1}", 0, "'x' must be an object, found VALUE_NUMBER_INT"),
        arguments("{\"x\":{}}", 0, "tensor 'x' has no dtype"),
        arguments("{\"x\":{\"dtype\":\"F32\"}}", 0, "tensor 'x' has no shape"),
        arguments("{\"x\":{\"dtype\":\"F32\",\"shape\":[]}}", 0, "tensor 'x' has no data_offsets"),
        arguments("{\"x\":{\"dtype\":3}}", 0, "tensor 'x' has a dtype that is not a string"),
        arguments(
            f32("[1]", "[0,4]").replace("F32", "F33"), 4, "tensor 'x' has the unknown dtype F33"),
        arguments(f32("1", "[0,4]"), 4, "tensor 'x' has a shape that is no array"),
        arguments(f32("[[1]]", "[0,4]"), 4, "tensor 'x' has a shape with ["),
        arguments(f32("[\"1\"]", "[0,4]"), 4, "tensor 'x' has a shape with 1"),
        arguments(f32("[1.0]", "[0,4]"), 4, "tensor 'x' has a shape with 1.0"),
        arguments(f32("[-1]", "[0,4]"), 4, "tensor 'x' has a shape with -1"),
        arguments(f32("[null]", "[0,4]"), 4, "tensor 'x' has a shape with null"),
        arguments(
            f32("[9223372036854775808]", "[0,4]"),
            4,
            "tensor 'x' has a shape with 9223372036854775808, expected whole numbers from 0 to"
                + " 2^63 - 1"),
        arguments(
            f32("[4294967296,4294967296]", "[0,0]"),
            0,
            "tensor 'x' has more than 2^63 - 1 elements or bits"),
        arguments(
            f32("[9223372036854775807]", "[0,4]"),
            4,
            "tensor 'x' has more than 2^63 - 1 elements or bits"),
        arguments(f32("[1]", "[0]"), 4, "tensor 'x' has 1 data_offsets, expected 2"),
        arguments(f32("[1]", "[0,4,8]"), 4, "tensor 'x' has 3 data_offsets, expected 2"),
        arguments(f32("[1]", "[4,0]"), 4, "tensor 'x' ends at 0 before it begins at 4"),
        arguments(f32("[2]", "[0,4]"), 4, "tensor 'x' of F32[2] takes 8 bytes, but has 4"),
        arguments(f32("[]", "[0,0]"), 0, "tensor 'x' of F32[] takes 4 bytes, but has 0"),
        arguments(f32("[0]", "[0,4]"), 4, "tensor 'x' of F32[0] takes 0 bytes, but has 4"),
        arguments(
            f32("[3]", "[0,1]").replace("F32", "F4"),
            1,
            "tensor 'x' of F4[3] takes 1 bytes, but has 1"),
        arguments(f32("[1]", "[0,4]"), 3, "ends at 4, but the file has only 3 bytes of data"),
        arguments(f32("[1]", "[0,4]"), 5, "the tensors take 4 bytes, but the file has 5"),
        arguments(f32("[1]", "[4,8]"), 8, "begins at 4, a hole after 'the header'"),
        arguments(
            f32("[1]", "[9223372036854775803,9223372036854775807]"),
            4,
            "a hole after 'the header'"),
        arguments(two("[0,4]", "[2,6]"), 6, "tensor 'b' begins at 2 and overlaps 'a'"),
        arguments(two("[0,4]", "[0,4]"), 4, "tensor 'b' begins at 0 and overlaps 'a'"),
        arguments(two("[5,9]", "[0,4]"), 9, "tensor 'a' begins at 5, a hole after 'b'"),
        arguments(two("[0,4]", "[4,8]").replace("\"b\"", "\"a\""), 8, "Duplicate"),
        arguments("{\"__metadata__\":{\"k\":\"v\",\"k\":\"w\"}}", 0, "Duplicate"),
        arguments("{\"__metadata__\":{\"k\":1}}", 0, "metadata 'k' must be a string"),
        arguments("{\"__metadata__\":{\"k\":{}}}", 0, "metadata 'k' must be a string"),
        arguments("{\"__metadata__\":[]}", 0, "'__metadata__' must be an object"),
        arguments("{\"x\":" + "[".repeat(2000), 0, "'x' must be an object"),
        arguments("{\"x\":{\"y\":" + "[".repeat(2000), 0, "not valid JSON"));
  }

  @ParameterizedTest
  @MethodSource("headers")
  void badHeadersAreRefused(String json, int data, String problem) throws IOException {
    Path file = write(json.getBytes(StandardCharsets.UTF_8).length, json, data);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": ")
        .hasMessageContaining(problem)
        .hasMessageEndingWith(
            "; the file is corrupt or not a safetensors file, fetch or write it again");
  }

  @Test
  void lyingLengthsAreRefused() throws IOException {
    assertRefused(write(3, "{}", 0), "claims a header of 3 bytes, but has only 10 bytes");
    assertRefused(write(100_000_001, "{}", 0), "claims a header of 100000001 bytes, at most");
    assertRefused(write(-1, "{}", 0), "claims a header of 18446744073709551615 bytes");
    assertRefused(write(Long.MIN_VALUE, "{}", 0), "claims a header of 9223372036854775808 bytes");
    Path tiny = Files.write(directory.resolve("tiny"), new byte[7]);
    assertRefused(tiny, "has 7 bytes, a safetensors file begins with 8 bytes");
    assertRefused(Files.write(directory.resolve("empty"), new byte[0]), "has 0 bytes");
  }

  private static void assertRefused(Path file, String problem) {
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": " + problem);
  }

  @Test
  void textThatIsNotUtf8IsRefused() throws IOException {
    Path file = write(8, "{\"xx\":1}", 0);
    byte[] bytes = Files.readAllBytes(file);
    bytes[10] = (byte) 0xFF;
    Files.write(file, bytes);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("the header is not valid UTF-8");
  }

  @Test
  void typesWithoutDtypeAreListedButNotRead() throws IOException {
    String json =
        "{\"u\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]},"
            + "\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
    try (Safetensors file = Safetensors.open(write(json.length(), json, 4 + 4))) {
      assertThat(file.entries().get("u").dtype()).isEmpty();
      assertThat(file.entries().get("x").dtype()).contains(DType.F32);
      assertThat(file.tensor("x").toFloatArray()).containsExactly(0);
      assertThatThrownBy(() -> file.tensor("u"))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("tensor 'u' has elements of type F8_E4M3, which is not supported");
    }
  }

  @Test
  void booleansOtherThanZeroAndOneAreRefused() throws IOException {
    String json = "{\"m\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]}}";
    Path path = write(json.length(), json, 3);
    byte[] bytes = Files.readAllBytes(path);
    bytes[bytes.length - 1] = 2;
    Files.write(path, bytes);
    try (Safetensors file = Safetensors.open(path)) {
      assertThatThrownBy(() -> file.tensor("m"))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("tensor 'm' of BOOL has the value 2 at position 2");
    }
  }

  @Test
  void aFileThatShrinksWhileOpenIsAFormatErrorNotACrash() throws IOException {
    Path path = directory.resolve("big");
    Safetensors.write(path, Map.of("x", Tensor.zeros(1 << 16)), Map.of());
    try (Safetensors file = Safetensors.open(path)) {
      try (var channel =
          java.nio.channels.FileChannel.open(path, java.nio.file.StandardOpenOption.WRITE)) {
        channel.truncate(4096);
      }
      assertThatThrownBy(() -> file.tensor("x"))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("became shorter while it was read");
    }
  }

  // ---- fuzzing ----------------------------------------------------------------------------

  @BeforeContainer
  static void writeGood() throws IOException {
    fuzzDirectory = Files.createTempDirectory("fuzz");
    Path file = fuzzDirectory.resolve("good");
    Safetensors.write(
        file,
        Map.of("a", Rng.of(1).normal(2, 3), "b", Tensor.arange(5, DType.I64), "c", Tensor.zeros(0)),
        Map.of("key", "value"));
    good = Files.readAllBytes(file);
  }

  @AfterContainer
  static void deleteGood() throws IOException {
    try (Stream<Path> files = Files.walk(fuzzDirectory)) {
      for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  /** Reads all there is; anything but data or a FormatException fails the property. */
  private static void readAll(byte[] bytes) throws IOException {
    Path file = Files.write(fuzzDirectory.resolve("fuzzed"), bytes);
    try (Safetensors open = Safetensors.open(file)) {
      long elements = 0;
      for (String name : open.entries().keySet()) {
        elements += open.tensor(name).toByteArray().length;
      }
      assertThat(elements).isLessThan(bytes.length);
    } catch (FormatException e) {
      assertThat(e).hasMessageStartingWith(file.toString());
    }
  }

  @Property(tries = 2000)
  void flippedBitsGiveDataOrAFormatException(
      @ForAll @IntRange(max = 100_000) int first,
      @ForAll @IntRange(max = 100_000) int second,
      @ForAll byte mask)
      throws IOException {
    byte[] bytes = good.clone();
    bytes[first % bytes.length] ^= mask;
    bytes[second % bytes.length] ^= (byte) (mask >>> 3);
    readAll(bytes);
  }

  @Property(tries = 500)
  void truncatedFilesGiveAFormatException(@ForAll @IntRange(max = 100_000) int length)
      throws IOException {
    byte[] bytes = java.util.Arrays.copyOf(good, length % good.length);
    Path file = Files.write(fuzzDirectory.resolve("truncated"), bytes);
    assertThatThrownBy(() -> Safetensors.open(file)).isInstanceOf(FormatException.class);
  }

  @Property(tries = 1000)
  void randomHeadersGiveDataOrAFormatException(
      @ForAll @net.jqwik.api.constraints.StringLength(max = 60) String text) throws IOException {
    byte[] json = ("{\"x\":" + text).getBytes(StandardCharsets.UTF_8);
    readAll(
        ByteBuffer.allocate(8 + json.length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(json.length)
            .put(json)
            .array());
  }
}
