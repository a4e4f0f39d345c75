package io.quern.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.zip.GZIPOutputStream;

/** A few images in the files of Fashion-MNIST: a bright row whose height tells the class. */
final class TinyData {
  private TinyData() {}

  static void write(Path folder, int training, int test) throws IOException {
    Files.createDirectories(folder);
    split(folder, "train", training);
    split(folder, "t10k", test);
  }

  private static void split(Path folder, String prefix, int count) throws IOException {
    Random random = new Random(count);
    byte[] images = new byte[count * 28 * 28];
    byte[] labels = new byte[count];
    random.nextBytes(images);
    for (int i = 0; i < count; i++) {
      labels[i] = (byte) (i % 10);
      for (int p = 0; p < 28 * 28; p++) {
        boolean bright = p / 28 / 2 == labels[i] + 2;
        images[i * 28 * 28 + p] = (byte) ((images[i * 28 * 28 + p] & 0x3f) + (bright ? 190 : 0));
      }
    }
    compressed(folder.resolve(prefix + "-images-idx3-ubyte.gz"), images, count, 28, 28);
    Files.write(folder.resolve(prefix + "-labels-idx1-ubyte"), idx(labels, count));
  }

  static byte[] idx(byte[] elements, int... dims) {
    ByteBuffer header = ByteBuffer.allocate(4 + 4 * dims.length);
    header.put((byte) 0).put((byte) 0).put((byte) 8).put((byte) dims.length);
    for (int dim : dims) {
      header.putInt(dim);
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.writeBytes(header.array());
    bytes.writeBytes(elements);
    return bytes.toByteArray();
  }

  static void compressed(Path file, byte[] elements, int... dims) throws IOException {
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
      out.write(idx(elements, dims));
    }
  }
}
