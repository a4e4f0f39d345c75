package io.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.json.Json;
import io.quern.nn.Linear;
import io.quern.nn.ModelFile;
import io.quern.nn.Module;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Models in several files are read as one; an index that does not fit its files is refused. */
class SafetensorsShardsTest {
  private static Path fuzzDirectory;
  private static byte[] goodIndex;

  @TempDir Path directory;

  @BeforeEach
  void writeShards() {
    writeShards(directory);
  }

  private static void writeShards(Path folder) {
    Safetensors.write(
        folder.resolve("one.safetensors"),
        Map.of("a", Tensor.arange(6, DType.F32).reshape(2, 3), "b", Tensor.arange(5, DType.I64)),
        Map.of("format", "pt"));
    Safetensors.write(
        folder.resolve("two.safetensors"),
        Map.of("c", Tensor.arange(4, DType.BF16)),
        Map.of("format", "other", "part", "2"));
  }

  private static String weightMap(String... tensorsAndFiles) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (int i = 0; i < tensorsAndFiles.length; i += 2) {
      map.put(tensorsAndFiles[i], tensorsAndFiles[i + 1]);
    }
    return Json.write(Map.of("metadata", Map.of("total_size", 72L), "weight_map", map));
  }

  private static String goodMap() {
    return weightMap("a", "one.safetensors", "b", "one.safetensors", "c", "two.safetensors");
  }

  private Path index(String json) throws IOException {
    return Files.writeString(directory.resolve("model.safetensors.index.json"), json);
  }

  @Test
  void shardsAreReadAsOneFile() throws IOException {
    try (Safetensors model = Safetensors.open(index(goodMap()))) {
      assertThat(model.entries().keySet()).containsExactly("b", "a", "c");
      assertThat(model.entries().get("a").shape()).isEqualTo(Shape.of(2, 3));
      assertThat(model.tensor("a").toFloatArray()).containsExactly(0, 1, 2, 3, 4, 5);
      assertThat(model.tensor("b").toLongArray()).containsExactly(0, 1, 2, 3, 4);
      assertThat(model.tensor("c").dtype()).isEqualTo(DType.BF16);
      assertThat(model.tensor("c").toFloatArray()).containsExactly(0, 1, 2, 3);
      assertThat(model.metadata()).isEqualTo(Map.of("format", "pt", "part", "2"));
      assertThatThrownBy(() -> model.tensor("d"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("has no tensor 'd', it has 3 such as [b, a, c]");
    }
  }

  @Test
  void everyTypeIsRead() throws IOException {
    Map<String, Object> map = new LinkedHashMap<>();
    for (DType dtype : DType.values()) {
      String file = dtype + ".safetensors";
      Tensor value = Tensor.of(new float[] {0, 1, 1}, 3).to(dtype);
      Safetensors.write(directory.resolve(file), Map.of(dtype.name(), value), Map.of());
      map.put(dtype.name(), file);
    }
    Map<String, Tensor> read = Safetensors.read(index(Json.write(Map.of("weight_map", map))));
    for (DType dtype : DType.values()) {
      assertThat(read.get(dtype.name()).dtype()).isEqualTo(dtype);
      assertThat(read.get(dtype.name()).toDoubleArray()).containsExactly(0, 1, 1);
    }
  }

  @Test
  void weightsAreLoadedFromShards() throws IOException {
    Module model = Linear.of(2, 3, Rng.of(1));
    Module other = Linear.of(2, 3, Rng.of(2));
    for (String name : List.of("weight", "bias")) {
      Tensor weight = model.parameters().get(name);
      Safetensors.write(directory.resolve(name + ".st"), Map.of(name, weight), Map.of());
    }
    ModelFile.loadWeights(other, index(weightMap("weight", "weight.st", "bias", "bias.st")));
    assertThat(other.parameters().get("weight").toFloatArray())
        .isEqualTo(model.parameters().get("weight").toFloatArray());
  }

  @Test
  void filesMayBeLinksAndLieBelow() throws IOException {
    Path below = Files.createDirectory(directory.resolve("parts"));
    Path blobs = Files.createDirectory(directory.resolve("blobs"));
    Files.move(directory.resolve("one.safetensors"), blobs.resolve("hash"));
    Files.createSymbolicLink(below.resolve("one.safetensors"), Path.of("../blobs/hash"));
    Path index =
        index(
            weightMap(
                "a",
                "parts/one.safetensors",
                "b",
                "parts/one.safetensors",
                "c",
                "two.safetensors"));
    assertThat(Safetensors.read(index).keySet()).containsExactly("b", "a", "c");
  }

  static Stream<Arguments> hostile() {
    return Stream.of(
        arguments("", "is not valid JSON"),
        arguments("{", "is not valid JSON"),
        arguments("[".repeat(5000), "is not valid JSON"),
        arguments("{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}", "Duplicate"),
        arguments("{\"weight_map\":{}} 1", "is not valid JSON"),
        arguments("{\"n\":99999999999999999999}", "is not valid JSON"),
        arguments("[]", "has no object weight_map"),
        arguments("null", "has no object weight_map"),
        arguments("{}", "has no object weight_map"),
        arguments("{\"weight_map\":[]}", "has no object weight_map"),
        arguments("{\"weight_map\":{\"a\":1}}", "tensor 'a' is in 1, expected a file"),
        arguments("{\"weight_map\":{\"a\":null}}", "tensor 'a' is in null, expected a file"),
        arguments(weightMap("a", ""), "'' does not lie in the folder of the index"),
        arguments(weightMap("a", "."), "'.' does not lie in the folder of the index"),
        arguments(weightMap("a", ".."), "'..' does not lie in the folder of the index"),
        arguments(weightMap("a", "../one.safetensors"), "does not lie in the folder of the index"),
        arguments(weightMap("a", "x/../../one"), "does not lie in the folder of the index"),
        arguments(weightMap("a", "/etc/passwd"), "'/etc/passwd' does not lie in the folder"),
        arguments(weightMap("a", "\0"), "is not the name of a file"),
        arguments(
            weightMap("a", "one.safetensors", "b", "one.safetensors", "c", "three.safetensors"),
            "the file 'three.safetensors' of 1 tensors is missing"),
        arguments(
            weightMap("a", "one.safetensors", "b", "two.safetensors"),
            "tensor 'b' is not in 'two.safetensors'"),
        arguments(weightMap("d", "one.safetensors"), "tensor 'd' is not in 'one.safetensors'"),
        arguments(
            weightMap("a", "one.safetensors", "b", "copy.safetensors"),
            "tensor 'b' is in 'copy.safetensors' and in 'one.safetensors'"),
        arguments(
            weightMap("a", "one.safetensors", "b", "./one.safetensors"),
            "tensor 'b' is in 'one.safetensors' and in 'one.safetensors'"));
  }

  @ParameterizedTest
  @MethodSource("hostile")
  void indexesThatDoNotFitAreRefused(String json, String problem) throws IOException {
    Files.copy(directory.resolve("one.safetensors"), directory.resolve("copy.safetensors"));
    Path index = index(json);
    assertThatThrownBy(() -> Safetensors.open(index))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(index + ": ")
        .hasMessageContaining(problem);
  }

  @Test
  void textThatIsNotUtf8IsRefused() throws IOException {
    Path index = Files.write(directory.resolve("x.json"), new byte[] {'"', (byte) 0xFF, '"'});
    assertThatThrownBy(() -> Safetensors.open(index))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("is not valid UTF-8");
  }

  @Test
  void damagedShardsAreNamed() throws IOException {
    Path two = directory.resolve("two.safetensors");
    byte[] bytes = Files.readAllBytes(two);
    Files.write(two, java.util.Arrays.copyOf(bytes, bytes.length - 1));
    Path index = index(goodMap());
    assertThatThrownBy(() -> Safetensors.open(index))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(two + ": ");
  }

  @Test
  void aMissingIndexIsAnErrorOfTheSystem() {
    Path missing = directory.resolve("missing.index.json");
    assertThatThrownBy(() -> Safetensors.open(missing))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining(missing.toString());
  }

  // ---- properties -------------------------------------------------------------------------

  @BeforeContainer
  static void makeDirectory() throws IOException {
    fuzzDirectory = Files.createTempDirectory("shards");
    writeShards(fuzzDirectory);
    goodIndex = goodMap().getBytes(StandardCharsets.UTF_8);
  }

  @AfterContainer
  static void deleteDirectory() throws IOException {
    try (Stream<Path> files = Files.walk(fuzzDirectory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  /** However tensors are dealt out, the same ones come back. */
  @Property(tries = 100)
  void anySplitReadsTheSame(@ForAll @Size(min = 1, max = 12) List<@IntRange(max = 3) Integer> homes)
      throws IOException {
    Path folder = Files.createTempDirectory(fuzzDirectory, "split");
    Map<String, Object> map = new LinkedHashMap<>();
    List<Map<String, Tensor>> shards = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      shards.add(new LinkedHashMap<>());
    }
    for (int i = 0; i < homes.size(); i++) {
      byte[] elements = Rng.of(i).normal(i % 4).toByteArray();
      Tensor tensor =
          Tensor.fromSegment(MemorySegment.ofArray(elements), DType.F32, Shape.of(i % 4));
      shards.get(homes.get(i)).put("tensor" + i, tensor);
      map.put("tensor" + i, "shard" + homes.get(i));
    }
    for (int i = 0; i < shards.size(); i++) {
      Safetensors.write(folder.resolve("shard" + i), shards.get(i), Map.of());
    }
    Path index =
        Files.writeString(folder.resolve("x.index.json"), Json.write(Map.of("weight_map", map)));
    Map<String, Tensor> read = Safetensors.read(index);
    assertThat(read).hasSameSizeAs(homes);
    shards.forEach(
        shard ->
            shard.forEach(
                (name, tensor) ->
                    assertThat(read.get(name).toByteArray()).isEqualTo(tensor.toByteArray())));
  }

  @Property(tries = 2000)
  void changedBytesGiveDataOrAFormatException(
      @ForAll @IntRange(max = 100_000) int first,
      @ForAll @IntRange(max = 100_000) int second,
      @ForAll byte mask)
      throws IOException {
    byte[] bytes = goodIndex.clone();
    bytes[first % bytes.length] ^= mask;
    bytes[second % bytes.length] ^= (byte) (mask >>> 3);
    Path index = Files.write(fuzzDirectory.resolve("fuzzed.json"), bytes);
    try (Safetensors open = Safetensors.open(index)) {
      assertThat(open.entries().keySet()).isSubsetOf("a", "b", "c");
    } catch (FormatException e) {
      assertThat(e).hasMessageStartingWith(fuzzDirectory.toString());
    }
  }
}
