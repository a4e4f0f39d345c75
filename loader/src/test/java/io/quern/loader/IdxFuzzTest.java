package io.quern.loader;

import static io.quern.loader.IdxFiles.gzip;
import static io.quern.loader.IdxFiles.idx;
import static io.quern.loader.IdxFiles.stream;
import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Tensor;
import io.quern.runtime.HostMemory;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/** Damaged files give the right data or a {@link DataFormatException}, and nothing else. */
class IdxFuzzTest {
  private static final int[] TYPES = {0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e};
  private static final int[] WIDTHS = {1, 1, 2, 4, 4, 8};

  @Provide
  Arbitrary<byte[]> files() {
    return Combinators.combine(
            Arbitraries.integers().between(0, TYPES.length - 1),
            Arbitraries.integers().between(0, 6).array(int[].class).ofMinSize(1).ofMaxSize(4),
            Arbitraries.longs())
        .as(
            (type, dims, seed) -> {
              byte[] elements = new byte[Arrays.stream(dims).reduce(WIDTHS[type], (a, b) -> a * b)];
              new Random(seed).nextBytes(elements);
              return idx(TYPES[type], dims, elements);
            });
  }

  /** Reads by the letter of the format, or gives nothing when that cannot be done. */
  private static Optional<List<Double>> oracle(byte[] file) {
    if (file.length < 8 || file[0] != 0 || file[1] != 0) {
      return Optional.empty();
    }
    int type = Arrays.binarySearch(TYPES, file[2]);
    int rank = file[3] & 0xff;
    if (type < 0 || rank == 0 || file.length < 4 + 4 * rank) {
      return Optional.empty();
    }
    ByteBuffer data = ByteBuffer.wrap(file).position(4);
    BigInteger size = BigInteger.valueOf(WIDTHS[type]);
    for (int d = 0; d < rank; d++) {
      long dim = Integer.toUnsignedLong(data.getInt());
      size = size.multiply(BigInteger.valueOf(dim));
    }
    if (!size.equals(BigInteger.valueOf(data.remaining()))) {
      return Optional.empty();
    }
    double[] values = new double[data.remaining() / WIDTHS[type]];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (TYPES[type]) {
            case 0x08 -> data.get() & 0xff;
            case 0x09 -> data.get();
            case 0x0b -> data.getShort();
            case 0x0c -> data.getInt();
            case 0x0d -> data.getFloat();
            default -> data.getDouble();
          };
    }
    return Optional.of(boxed(values));
  }

  private static Optional<List<Double>> read(byte[] file) {
    long mapped = HostMemory.shared().usage().mapped();
    try (Tensor tensor = Idx.read(stream(file), "fuzzed")) {
      return Optional.of(boxed(tensor.toDoubleArray()));
    } catch (DataFormatException e) {
      assertThat(e).hasMessageStartingWith("idx: fuzzed: ");
      return Optional.empty();
    } finally {
      assertThat(HostMemory.shared().usage().mapped() - mapped).isLessThan(8 << 20);
    }
  }

  private static List<Double> boxed(double[] values) {
    return Arrays.stream(values).boxed().toList();
  }

  private static void flip(byte[] file, int bit) {
    file[bit / 8 % file.length] ^= (byte) (1 << bit % 8);
  }

  @Property
  void bitFlipsInPlainFiles(
      @ForAll("files") byte[] file,
      @ForAll @Size(max = 3) List<@IntRange(max = 1 << 14) Integer> flips) {
    for (int bit : flips) {
      flip(file, bit);
    }

    assertThat(read(file)).isEqualTo(oracle(file));
  }

  @Property
  void bitFlipsInHeaders(
      @ForAll("files") byte[] file,
      @ForAll @Size(min = 1, max = 4) List<@IntRange(max = 20 * 8) Integer> flips) {
    for (int bit : flips) {
      flip(file, bit);
    }

    assertThat(read(file)).isEqualTo(oracle(file));
  }

  @Property
  void bitFlipsInCompressedFiles(
      @ForAll("files") byte[] file,
      @ForAll @Size(min = 1, max = 3) List<@IntRange(max = 1 << 14) Integer> flips) {
    byte[] compressed = gzip(file);
    for (int bit : flips) {
      flip(compressed, bit);
    }

    read(compressed).ifPresent(data -> assertThat(Optional.of(data)).isEqualTo(oracle(file)));
  }

  @Property
  void truncation(@ForAll("files") byte[] file, @ForAll @IntRange(max = 1 << 14) int length) {
    byte[] compressed = gzip(file);
    byte[] plainPart = Arrays.copyOf(file, length % file.length);
    byte[] compressedPart = Arrays.copyOf(compressed, length % compressed.length);

    assertThat(read(plainPart)).isEmpty();
    assertThat(read(compressedPart)).isEmpty();
  }

  @Property
  void anyHeader(@ForAll @Size(min = 4, max = 40) byte[] header) {
    header[0] = 0;
    header[1] = 0;
    header[2] = (byte) TYPES[(header[2] & 0xff) % TYPES.length];

    assertThat(read(header)).isEqualTo(oracle(header));
    assertThat(read(gzip(header))).isEqualTo(oracle(header));
  }
}
