package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.NormGrad;
import java.util.function.Consumer;

/** Gradients of normalisations, row by row. */
final class ReferenceNorm {
  private ReferenceNorm() {}

  static Consumer<Operands> grad(KernelKey key, NormGrad op) {
    Shape shape = key.shape(0);
    int kept = shape.rank() - op.dims();
    Shape rows = shape.slice(0, kept);
    Shape row = shape.slice(kept, shape.rank());
    int length = Math.toIntExact(row.size());
    Elements x = Elements.of(key, 0);
    Elements gamma = Elements.of(key, 1);
    Elements gradient = Elements.of(key, 2);
    Elements dx = Elements.of(key, 3);
    return memory -> {
      double[] weights = read(gamma, row, 0, memory.address(1));
      double[] dGamma = new double[length];
      double[] dBeta = new double[length];
      Walk walk = new Walk(rows, x, gradient);
      long to = memory.address(3);
      boolean any = walk.start(memory.address(0), memory.address(2));
      for (boolean more = any; more; more = walk.next()) {
        double[] z = read(x, row, kept, walk.address(0));
        double[] g = read(gradient, row, kept, walk.address(1));
        double scale = normalise(z, op);
        double mean = 0;
        double product = 0;
        for (int i = 0; i < length; i++) {
          mean += op.centred() ? g[i] * weights[i] / length : 0;
          product += g[i] * weights[i] * z[i] / length;
          dGamma[i] += g[i] * z[i];
          dBeta[i] += g[i];
        }
        for (int i = 0; i < length; i++) {
          dx.put(to, scale * (g[i] * weights[i] - mean - z[i] * product));
          to += dx.dtype().bytes();
        }
      }
      write(dGamma, dx, memory.address(4));
      if (op.centred()) {
        write(dBeta, dx, memory.address(5));
      }
    };
  }

  /** Normalises a row in place and gives the factor. */
  private static double normalise(double[] row, NormGrad op) {
    double mean = 0;
    for (double x : row) {
      mean += op.centred() ? x / row.length : 0;
    }
    double squares = 0;
    for (int i = 0; i < row.length; i++) {
      row[i] -= mean;
      squares += row[i] * row[i] / row.length;
    }
    double scale = 1 / Math.sqrt(squares + op.epsilon());
    for (int i = 0; i < row.length; i++) {
      row[i] *= scale;
    }
    return scale;
  }

  /** The elements of the dimensions from {@code skip} on, which have shape {@code row}. */
  private static double[] read(Elements elements, Shape row, int skip, long address) {
    long[] strides = new long[row.rank()];
    for (int d = 0; d < strides.length; d++) {
      strides[d] = elements.stride(skip + d);
    }
    Elements part = new Elements(elements.dtype(), strides);
    double[] values = new double[Math.toIntExact(row.size())];
    Walk walk = new Walk(row, part);
    int i = 0;
    for (boolean more = walk.start(address); more; more = walk.next()) {
      values[i++] = part.getDouble(walk.address(0));
    }
    return values;
  }

  private static void write(double[] values, Elements like, long to) {
    for (double value : values) {
      like.put(to, value);
      to += like.dtype().bytes();
    }
  }
}
