package io.quern.loader;

import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** Reads one IDX stream. */
final class IdxReader {
  /** For streams whose length nobody knows. */
  static final long UNKNOWN = -1;

  private static final int CHUNK = 1 << 18;

  /** How much memory is asked for on the mere word of a header. */
  private static final long TRUSTED_BYTES = 1 << 20;

  /** As above, for each byte of a compressed file; images and labels compress less than that. */
  private static final int TRUSTED_RATIO = 8;

  private final String name;
  private final InputStream in;
  private final long fileBytes;

  IdxReader(String name, InputStream in, long fileBytes) {
    this.name = name;
    this.in = new BufferedInputStream(in);
    this.fileBytes = fileBytes;
  }

  private record Header(IdxType type, Shape shape, int bytes) {
    long dataBytes() {
      return shape.size() * type.bytes();
    }
  }

  Tensor read() throws IOException {
    in.mark(2);
    byte[] magic = in.readNBytes(2);
    in.reset();
    if (magic.length == 2 && magic[0] == 0x1f && magic[1] == (byte) 0x8b) {
      return readCompressed();
    }
    Header header = readHeader(in);
    if (fileBytes == UNKNOWN) {
      return readElements(in, header, TRUSTED_BYTES);
    }
    long expected = header.dataBytes();
    long found = fileBytes - header.bytes();
    if (found < expected) {
      throw truncated(header, found);
    }
    if (found > expected) {
      throw trailing(header, found - expected + " bytes");
    }
    return readElements(in, header, expected);
  }

  private Tensor readCompressed() throws IOException {
    try (InputStream data = new GZIPInputStream(in, 1 << 16)) {
      Header header = readHeader(data);
      long trusted = Math.max(0, fileBytes) * TRUSTED_RATIO + TRUSTED_BYTES;
      return readElements(data, header, trusted);
    } catch (EOFException e) {
      throw new DataFormatException(
          where() + "the gzip data end in the middle; the file is truncated, fetch it again", e);
    } catch (ZipException e) {
      throw new DataFormatException(
          where() + "the gzip data are corrupt (" + e.getMessage() + "); fetch the file again", e);
    }
  }

  private Header readHeader(InputStream data) throws IOException {
    byte[] magic = data.readNBytes(4);
    if (magic.length < 4) {
      throw new DataFormatException(
          where()
              + (magic.length == 0 ? "no data" : "only " + magic.length + " bytes")
              + ", expected an IDX header of 8 bytes or more; fetch the file again");
    }
    if (magic[0] != 0 || magic[1] != 0) {
      throw new DataFormatException(
          String.format(
              "%sit starts with the bytes %02x %02x, expected 00 00 (IDX) or 1f 8b (gzip); is it an"
                  + " IDX file?",
              where(), magic[0], magic[1]));
    }
    IdxType type =
        IdxType.of(magic[2])
            .orElseThrow(
                () ->
                    new DataFormatException(
                        String.format(
                            "%sunknown element type 0x%02x, expected one of %s",
                            where(), magic[2], IdxType.CODES)));
    int rank = magic[3] & 0xff;
    if (rank == 0) {
      throw new DataFormatException(where() + "no dimensions, expected 1 or more");
    }
    byte[] sizes = data.readNBytes(4 * rank);
    if (sizes.length < 4 * rank) {
      throw new DataFormatException(
          where()
              + ("the header has " + rank + " dimensions in " + 4 * rank + " bytes, found ")
              + (sizes.length + "; the file is truncated, fetch it again"));
    }
    long[] dims = new long[rank];
    for (int d = 0; d < rank; d++) {
      dims[d] = Integer.toUnsignedLong(ByteBuffer.wrap(sizes).getInt(4 * d));
    }
    checkSize(type, dims);
    return new Header(type, Shape.of(dims), 4 + sizes.length);
  }

  private void checkSize(IdxType type, long[] dims) {
    if (Arrays.stream(dims).anyMatch(dim -> dim == 0)) {
      return;
    }
    long left = Long.MAX_VALUE / Math.max(type.bytes(), type.dtype().bytes());
    for (long dim : dims) {
      left /= dim;
    }
    if (left == 0) {
      throw new DataFormatException(
          where()
              + ("dimensions " + Arrays.toString(dims) + " of " + type)
              + " are 2^63 bytes or more; the header is corrupt");
    }
  }

  /** Reads all elements; asks for memory beyond {@code trustedBytes} only as they arrive. */
  private Tensor readElements(InputStream data, Header header, long trustedBytes)
      throws IOException {
    IdxType type = header.type();
    long count = header.shape().size();
    int step = (int) Math.min(CHUNK / type.bytes(), Math.max(1, count));
    byte[] chunk = new byte[step * type.bytes()];
    Tensor flat = allocate(type, Math.min(count, Math.max(step, trustedBytes / type.bytes())));
    try {
      for (long filled = 0; filled < count; ) {
        int wanted = (int) Math.min(step, count - filled);
        int got = data.readNBytes(chunk, 0, wanted * type.bytes());
        if (got < wanted * type.bytes()) {
          throw truncated(header, filled * type.bytes() + got);
        }
        if (filled + wanted > flat.size()) {
          flat = grow(flat, type, filled, Math.min(count, Math.max(2 * filled, filled + wanted)));
        }
        try (Tensor piece = type.decode(chunk, wanted)) {
          write(flat, filled, piece);
        }
        filled += wanted;
      }
      if (data.read() != -1) {
        throw trailing(header, "more");
      }
      return shaped(flat, header);
    } catch (Throwable t) {
      flat.close();
      throw t;
    }
  }

  private static Tensor allocate(IdxType type, long elements) {
    return Tensor.full(0, type.dtype(), Device.cpu(), elements);
  }

  private static Tensor grow(Tensor flat, IdxType type, long filled, long elements) {
    Tensor larger = allocate(type, elements);
    try (flat;
        Tensor part = flat.slice(0, 0, filled)) {
      write(larger, 0, part);
    }
    return larger;
  }

  private static void write(Tensor flat, long at, Tensor elements) {
    try (Tensor part = flat.slice(0, at, at + elements.size())) {
      part.copyFrom(elements);
    }
  }

  private static Tensor shaped(Tensor flat, Header header) {
    Tensor shaped = flat.reshape(header.shape());
    if (shaped != flat) {
      flat.close();
    }
    return shaped;
  }

  private String where() {
    return "idx: " + name + ": ";
  }

  private DataFormatException truncated(Header header, long found) {
    return new DataFormatException(
        where()
            + (header.shape() + " elements of " + header.type() + " are ")
            + (header.dataBytes() + " bytes, found " + found)
            + "; the file is truncated or its header corrupt, fetch it again");
  }

  private DataFormatException trailing(Header header, String surplus) {
    return new DataFormatException(
        where()
            + ("found " + surplus + " after the ")
            + (header.dataBytes() + " bytes of ")
            + (header.shape() + " elements of " + header.type())
            + "; the header is corrupt or the file holds something else as well");
  }
}
