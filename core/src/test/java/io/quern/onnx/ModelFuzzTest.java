package io.quern.onnx;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.sun.management.ThreadMXBean;
import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.io.FormatException;
import io.quern.nn.Linear;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.op.TensorSpec;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Damaged files are read and checked, or refused with a message, and take memory in proportion to
 * their size whatever they claim.
 */
class ModelFuzzTest {
  private static final ThreadMXBean METER = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /**
   * An empty node takes two bytes of a file, and becomes a record with lists that is then looked
   * through. Files of other things need a fraction of it.
   */
  private static final long ALLOCATED_PER_BYTE = 400;

  /** Room for an exception and its trace. */
  private static final long ALLOCATED_BESIDES = 1 << 18;

  private static final List<byte[]> MODELS = List.of(network(), control(), function(), constants());

  static {
    // Classes and operators are loaded before anything is measured.
    for (byte[] model : MODELS) {
      MemorySegment file = file(model);
      attempt(() -> check(file));
      attempt(() -> readConstants(file));
      for (int length = 1; length < model.length; length++) {
        MemorySegment part = file.asSlice(0, length);
        attempt(() -> check(part));
      }
    }
  }

  /** What the exporter makes of a small network. */
  private static byte[] network() {
    try {
      Path file = Files.createTempFile("network", ".onnx");
      Module network =
          Sequential.of(Linear.of(3, 4, Rng.of(1)), new Relu(), Linear.of(4, 2, Rng.of(2)));
      OnnxExport.of(network, new TensorSpec(DType.F32, Shape.of(2, 3))).write(file);
      byte[] bytes = Files.readAllBytes(file);
      Files.delete(file);
      return bytes;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static ProtoWriter graph(ProtoWriter... nodes) {
    ProtoWriter graph = new ProtoWriter().string(2, "body");
    for (ProtoWriter node : nodes) {
      graph.message(1, node);
    }
    return graph.message(12, Models.value("inner", 1, 2));
  }

  private static byte[] control() {
    ProtoWriter then =
        new ProtoWriter()
            .string(1, "then_branch")
            .message(6, graph(Models.node("Relu", "x", "inner")))
            .varint(20, 5);
    ProtoWriter otherwise =
        new ProtoWriter()
            .string(1, "else_branch")
            .message(
                6,
                graph(Models.node("Neg", "x", "between"), Models.node("Exp", "between", "inner")))
            .varint(20, 5);
    return new Models()
        .input(Models.value("x", 1, 2))
        .input(Models.value("choice", 9))
        .output(Models.value("y", 1, 2))
        .add(Models.node("If", "choice", "y").message(5, then).message(5, otherwise))
        .bytes();
  }

  private static byte[] function() {
    ProtoWriter alpha = new ProtoWriter().string(1, "alpha").string(21, "slope").varint(20, 1);
    ProtoWriter function =
        new ProtoWriter()
            .string(1, "Bend")
            .string(4, "a")
            .string(5, "b")
            .string(6, "slope")
            .message(7, Models.node("LeakyRelu", "a", "b").message(5, alpha))
            .message(9, new ProtoWriter().string(1, "").varint(2, 17))
            .string(10, "local");
    ProtoWriter slope = new ProtoWriter().string(1, "slope").float32(2, 0.5f).varint(20, 1);
    byte[] model =
        new Models()
            .input(Models.value("x", 1, 0))
            .output(Models.value("y", 1, 0))
            .add(Models.node("Bend", "x", "y").string(7, "local").message(5, slope))
            .bytes();
    return joined(model, new ProtoWriter().message(25, function).toBytes());
  }

  /** Elements in packed lists, in lists of single ones, in text, sparse and in other files. */
  private static byte[] constants() {
    ProtoWriter indices = Models.tensor("", 7, 2).bytes(7, new byte[] {0, 3});
    ProtoWriter sparse =
        new ProtoWriter()
            .message(1, Models.floats("sparse", new float[] {1, 2}, 2))
            .message(2, indices)
            .varint(3, 5);
    ProtoWriter entry = new ProtoWriter().string(1, "location").string(2, "beside.bin");
    ProtoWriter graph =
        new ProtoWriter()
            .message(11, Models.value("x", 1, 0))
            .message(12, Models.value("x", 1, 0))
            .message(15, sparse)
            .message(5, Models.tensor("packed", 6, 3).bytes(5, new byte[] {1, (byte) 0x80, 1, 2}))
            .message(5, Models.tensor("single", 7, 2).varint(7, 5).varint(7, -1))
            .message(5, Models.tensor("nibbles", 22, 3).bytes(9, new byte[] {0x21, 3}))
            .message(5, Models.tensor("text", 8, 2).string(6, "a").string(6, "\u00e9"))
            .message(5, Models.tensor("outside", 1, 2).message(13, entry).varint(14, 1));
    return new ProtoWriter().message(7, graph).toBytes();
  }

  private static byte[] joined(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.writeBytes(part);
    }
    return all.toByteArray();
  }

  @TestFactory
  Stream<DynamicTest> everyPrefixIsReadOrRefused() {
    return IntStream.range(0, MODELS.size())
        .boxed()
        .map(
            index ->
                dynamicTest(
                    "model " + index,
                    () -> {
                      byte[] model = MODELS.get(index);
                      for (int length = 0; length <= model.length; length++) {
                        read(Arrays.copyOf(model, length));
                      }
                    }));
  }

  @Property(tries = 5_000)
  void damagedFilesAreReadOrRefused(@ForAll long seed) {
    read(damaged(new Random(seed)));
  }

  @Property(tries = 3_000_000)
  @Tag("soak")
  void manyDamagedFilesAreReadOrRefused(@ForAll long seed) {
    read(damaged(new Random(seed)));
  }

  private static byte[] damaged(Random random) {
    byte[] bytes = any(random).clone();
    for (int i = random.nextInt(4); i >= 0 && bytes.length > 0; i--) {
      int at = random.nextInt(bytes.length);
      int end = Math.min(bytes.length, at + 1 + random.nextInt(20));
      byte[] before = Arrays.copyOf(bytes, at);
      byte[] after = Arrays.copyOfRange(bytes, at, bytes.length);
      byte[] rest = Arrays.copyOfRange(bytes, end, bytes.length);
      switch (random.nextInt(7)) {
        case 0, 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes = joined(before, noise(random), after);
        case 3 -> bytes = joined(before, rest);
        case 4 -> bytes = joined(before, Arrays.copyOfRange(bytes, at, end), after);
        case 5 -> bytes = joined(before, claim(random), Arrays.copyOfRange(after, 1, after.length));
        default -> {
          byte[] other = any(random);
          int from = random.nextInt(other.length);
          bytes = joined(before, Arrays.copyOfRange(other, from, other.length));
        }
      }
    }
    return bytes;
  }

  private static byte[] any(Random random) {
    return MODELS.get(random.nextInt(MODELS.size()));
  }

  private static byte[] noise(Random random) {
    byte[] noise = new byte[1 + random.nextInt(10)];
    random.nextBytes(noise);
    return noise;
  }

  /** A length or a number near a power of two. */
  private static byte[] claim(Random random) {
    long value = (1L << random.nextInt(64)) - random.nextInt(2);
    byte[] field = new ProtoWriter().varint(1, value).toBytes();
    return Arrays.copyOfRange(field, 1, field.length);
  }

  /** Reads the model and checks it, and reads its constants. */
  private static void read(byte[] bytes) {
    MemorySegment file = file(bytes);
    meter(bytes.length, () -> check(file));
    meter(bytes.length, () -> readConstants(file));
  }

  private static MemorySegment file(byte[] bytes) {
    MemorySegment file = Arena.ofAuto().allocate(bytes.length);
    MemorySegment.copy(bytes, 0, file, ValueLayout.JAVA_BYTE, 0, bytes.length);
    return file;
  }

  private static void check(MemorySegment file) {
    OnnxModel.parse("fuzzed", file).check();
  }

  private static void readConstants(MemorySegment file) {
    TensorReader tensors = new TensorReader("fuzzed", new ExternalData("fuzzed", null));
    ModelReader.model("fuzzed", file).graph().initializers().values().forEach(tensors::read);
  }

  private static void meter(int size, Runnable work) {
    long before = METER.getCurrentThreadAllocatedBytes();
    String complaint = attempt(work);
    long allocated = METER.getCurrentThreadAllocatedBytes() - before;
    if (complaint != null) {
      assertThat(complaint).startsWith("fuzzed").hasSizeGreaterThan(20);
    }
    assertThat(allocated)
        .as("allocated for a file of %d bytes", size)
        .isLessThan(ALLOCATED_BESIDES + ALLOCATED_PER_BYTE * size);
  }

  /** What the work complains of, or null. */
  private static @Nullable String attempt(Runnable work) {
    try {
      work.run();
      return null;
    } catch (FormatException | OnnxException e) {
      return e.getMessage();
    }
  }

  private static byte[] field(int number, byte[] content) {
    return new ProtoWriter().bytes(number, content).toBytes();
  }

  private static byte[] repeated(int count, byte[] content) {
    return repeated(count, _ -> content);
  }

  private static byte[] repeated(int count, IntFunction<byte[]> content) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (int i = 0; i < count; i++) {
      all.writeBytes(content.apply(i));
    }
    return all.toByteArray();
  }

  /** Graphs of many small things, for each of which memory is needed. */
  @TestFactory
  Stream<DynamicTest> manySmallPartsTakeLittleMemory() {
    int many = 20_000;
    byte[] name = "n".repeat(many).getBytes(UTF_8);
    IntFunction<byte[]> input = i -> field(1, ("i" + i).getBytes(UTF_8));
    IntFunction<byte[]> call =
        i ->
            joined(
                field(1, ("f" + i).getBytes(UTF_8)),
                field(7, field(4, ("f" + (i + 1)).getBytes(UTF_8))),
                field(9, field(1, ("d" + i).getBytes(UTF_8))));
    Map<String, byte[]> graphs =
        Map.ofEntries(
            Map.entry("nodes", repeated(many, field(1, new byte[0]))),
            Map.entry("attributes", field(1, repeated(many, field(5, new byte[0])))),
            Map.entry("tensors", repeated(many, field(5, new byte[0]))),
            Map.entry(
                "values", repeated(many, field(11, field(2, field(1, field(2, new byte[0])))))),
            Map.entry(
                "dimensions",
                field(11, field(2, field(1, field(2, repeated(many, field(1, new byte[0]))))))),
            Map.entry("integers", field(5, field(7, new byte[many]))),
            Map.entry("inner tensors", field(1, field(5, repeated(many, field(10, new byte[0]))))),
            Map.entry("inner graphs", field(1, field(5, repeated(many, field(11, new byte[0]))))),
            Map.entry(
                "inner graphs under many names",
                joined(
                    repeated(many, i -> field(11, input.apply(i))),
                    repeated(many, field(1, field(5, field(6, new byte[0])))))),
            Map.entry(
                "missing inputs of a long name",
                field(1, joined(field(3, name), repeated(many, input)))));
    Stream<DynamicTest> within =
        graphs.entrySet().stream()
            .map(each -> dynamicTest(each.getKey(), () -> read(field(7, each.getValue()))));
    byte[] calls = field(7, repeated(many, field(1, field(4, "f0".getBytes(UTF_8)))));
    byte[] chain = repeated(many, i -> field(25, call.apply(i)));
    return Stream.concat(
        within, Stream.of(dynamicTest("functions", () -> read(joined(calls, chain)))));
  }
}
