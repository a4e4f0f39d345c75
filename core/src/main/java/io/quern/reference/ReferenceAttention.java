package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.AttentionGrad;
import java.util.function.Consumer;

/** The gradients of attention, head by head, with all weights of a head in memory. */
final class ReferenceAttention {
  private final KernelKey key;
  private final AttentionGrad op;
  private final int queries;
  private final int keys;
  private final int size;
  private final int valueSize;
  private final long group;

  private ReferenceAttention(KernelKey key, AttentionGrad op) {
    this.key = key;
    this.op = op;
    this.queries = key.shape(0).intDim(-2);
    this.keys = key.shape(1).intDim(-2);
    this.size = key.shape(0).intDim(-1);
    this.valueSize = key.shape(2).intDim(-1);
    this.group = key.shape(0).dim(-3) / key.shape(1).dim(-3);
  }

  static Consumer<Operands> grad(KernelKey key, AttentionGrad op) {
    ReferenceAttention reference = new ReferenceAttention(key, op);
    Shape shape = key.shape(1);
    Shape heads = shape.slice(0, shape.rank() - 2);
    return memory -> {
      for (long head = 0; head < heads.size(); head++) {
        reference.head(memory, head);
      }
    };
  }

  /** The matrix of one head of an operand, heads counted in row-major order. */
  private double[][] read(Operands memory, int operand, Shape shape, long head) {
    double[][] matrix = new double[shape.intDim(-2)][shape.intDim(-1)];
    Elements elements = Elements.broadcast(key, operand, shape);
    long start = start(memory, operand, elements, shape, head);
    for (int i = 0; i < matrix.length; i++) {
      for (int j = 0; j < matrix[i].length; j++) {
        matrix[i][j] =
            elements.getDouble(
                start
                    + i * elements.stride(shape.rank() - 2)
                    + j * elements.stride(shape.rank() - 1));
      }
    }
    return matrix;
  }

  private void write(Operands memory, int operand, long head, double[][] matrix, double scale) {
    Elements elements = Elements.of(key, operand);
    int rank = key.shape(operand).rank();
    long start = start(memory, operand, elements, key.shape(operand), head);
    for (int i = 0; i < matrix.length; i++) {
      for (int j = 0; j < matrix[i].length; j++) {
        elements.put(
            start + i * elements.stride(rank - 2) + j * elements.stride(rank - 1),
            matrix[i][j] * scale);
      }
    }
  }

  private static long start(
      Operands memory, int operand, Elements elements, Shape shape, long head) {
    long start = memory.address(operand);
    for (int d = shape.rank() - 3; d >= 0; d--) {
      start += head % shape.dim(d) * elements.stride(d);
      head /= shape.dim(d);
    }
    return start;
  }

  /** One head of keys with all heads of queries that meet it. */
  private void head(Operands memory, long head) {
    int outputs = key.inputs();
    double[][] k = read(memory, 1, key.shape(1), head);
    double[][] v = read(memory, 2, key.shape(2), head);
    double[][] dk = new double[keys][size];
    double[][] dv = new double[keys][valueSize];
    for (long member = head * group; member < (head + 1) * group; member++) {
      double[][] q = read(memory, 0, key.shape(0), member);
      double[][] output = read(memory, 3, key.shape(3), member);
      double[][] gradient = read(memory, 4, key.shape(4), member);
      double[][] dq = new double[queries][size];
      double[][] mask =
          outputs == 6 ? read(memory, 5, key.shape(0).with(-1, keys), member) : new double[0][];
      for (int i = 0; i < queries; i++) {
        double[] p = weights(q[i], k, i, mask);
        double mean = dot(gradient[i], output[i]);
        for (int j = 0; j < keys; j++) {
          double ds = p[j] * (dot(gradient[i], v[j]) - mean);
          add(p[j], gradient[i], dv[j]);
          add(ds, k[j], dq[i]);
          add(ds, q[i], dk[j]);
        }
      }
      write(memory, outputs, member, dq, op.scale());
    }
    write(memory, outputs + 1, head, dk, op.scale());
    write(memory, outputs + 2, head, dv, 1);
  }

  private double[] weights(double[] q, double[][] k, int query, double[][] mask) {
    double[] weights = new double[keys];
    double max = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < keys; j++) {
      double score = op.scale() * dot(q, k[j]) + (mask.length == 0 ? 0 : mask[query][j]);
      weights[j] = op.causal() && j > query ? Double.NEGATIVE_INFINITY : score;
      max = Math.max(max, weights[j]);
    }
    double sum = 0;
    for (int j = 0; j < keys; j++) {
      weights[j] = max == Double.NEGATIVE_INFINITY ? 0 : Math.exp(weights[j] - max);
      sum += weights[j];
    }
    for (int j = 0; j < keys; j++) {
      weights[j] = sum == 0 ? 0 : weights[j] / sum;
    }
    return weights;
  }

  private static double dot(double[] x, double[] y) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum += x[i] * y[i];
    }
    return sum;
  }

  private static void add(double factor, double[] from, double[] to) {
    for (int i = 0; i < from.length; i++) {
      to[i] += factor * from[i];
    }
  }
}
