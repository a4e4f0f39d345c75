package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.Arrays;

/** Spectra and windows of signals. */
final class SignalOps {
  private SignalOps() {}

  static void addTo(OpTable table) {
    table.op("HannWindow", 17, call -> window(call, 0.5, 0.5, 0));
    table.op("HammingWindow", 17, call -> window(call, 25.0 / 46, 21.0 / 46, 0));
    table.op("BlackmanWindow", 17, call -> window(call, 0.42, 0.5, 0.08));
    table.op("DFT", 17, call -> transform(call, call.integer("axis", 1)));
    table.op("DFT", 20, call -> transform(call, call.has(2) ? call.longs(2)[0] : -2));
    table.op("STFT", 17, SignalOps::shortTime);
    table.op("MelWeightMatrix", 17, SignalOps::mel);
  }

  /** {@code a - b cos(2 pi i / n) + c cos(4 pi i / n)}. */
  private static Tensor window(Call call, double a, double b, double c) {
    int size = (int) call.longs(0)[0];
    double period = call.flag("periodic", true) ? size : size - 1;
    double[] values = new double[size];
    for (int i = 0; i < size; i++) {
      double angle = 2 * Math.PI * i / period;
      values[i] = a - b * Math.cos(angle) + c * Math.cos(2 * angle);
    }
    return OnnxValue.doubles(
        call.dtype(call.integer("output_datatype", 1)), Shape.of(size), values);
  }

  private static Tensor transform(Call call, long givenAxis) {
    Tensor x = call.in(0);
    int axis = call.axis(givenAxis, x.rank());
    boolean inverse = call.flag("inverse", false);
    boolean half = call.flag("onesided", false);
    long natural = inverse && half ? 2 * (x.dim(axis) - 1) : x.dim(axis);
    long length = call.has(1) ? call.longs(1)[0] : natural;
    if (axis == x.rank() - 1 || x.dim(-1) > 2 || length < 1) {
      throw call.error("axis %d and length %d do not fit %s", axis, length, x.shape());
    }
    Tensor moved = x.transpose(axis, x.rank() - 2);
    Tensor result = inverse && half ? real(moved, length) : complex(moved, length, inverse, half);
    return result.transpose(axis, x.rank() - 2);
  }

  /** A part of [.., n, 1 or 2] as [rows, length], cut off or filled up with zeros. */
  private static Tensor part(Tensor x, int which, long length) {
    int rank = x.rank();
    Tensor part = x.select(rank - 1, which);
    long n = part.dim(-1);
    Tensor rows = part.reshape(x.size() / Math.max(1, n * x.dim(-1)), n);
    return n >= length
        ? rows.slice(1, 0, length)
        : rows.pad(new long[2], new long[] {0, length - n}, 0);
  }

  /** [n, bins] of cosines or sines. */
  private static Tensor wave(DType dtype, long length, long rows, long bins, boolean sine) {
    double[] values = new double[Math.toIntExact(rows * bins)];
    for (int i = 0; i < values.length; i++) {
      double angle = 2 * Math.PI * (i / bins * (i % bins) % length) / length;
      values[i] = sine ? Math.sin(angle) : Math.cos(angle);
    }
    return OnnxValue.doubles(dtype, Shape.of(rows, bins), values);
  }

  private static Tensor complex(Tensor x, long length, boolean inverse, boolean half) {
    long bins = half ? length / 2 + 1 : length;
    Tensor cosine = wave(x.dtype(), length, length, bins, false);
    Tensor sine = wave(x.dtype(), length, length, bins, true);
    Tensor re = part(x, 0, length);
    Tensor outRe = re.matmul(cosine);
    Tensor outIm = inverse ? re.matmul(sine) : re.matmul(sine).neg();
    if (x.dim(-1) == 2) {
      Tensor im = part(x, 1, length);
      Tensor crossed = im.matmul(sine);
      outRe = inverse ? outRe.sub(crossed) : outRe.add(crossed);
      outIm = outIm.add(im.matmul(cosine));
    }
    Shape shape = x.shape().with(-2, bins).with(-1, 2);
    Tensor both = Tensor.concat(2, outRe.unsqueeze(2), outIm.unsqueeze(2)).reshape(shape);
    return inverse ? both.mul(1.0 / length) : both;
  }

  /** The real signal of which only the first half of the spectrum is given. */
  private static Tensor real(Tensor x, long length) {
    long bins = length / 2 + 1;
    double[] twice = new double[Math.toIntExact(bins)];
    Arrays.fill(twice, 2.0 / length);
    twice[0] = 1.0 / length;
    if (length % 2 == 0) {
      twice[twice.length - 1] = 1.0 / length;
    }
    Tensor factor = OnnxValue.doubles(x.dtype(), Shape.of(bins), twice);
    Tensor re = part(x, 0, bins).mul(factor).matmul(wave(x.dtype(), length, bins, length, false));
    Tensor im = part(x, 1, bins).mul(factor).matmul(wave(x.dtype(), length, bins, length, true));
    return re.sub(im).reshape(x.shape().with(-2, length).with(-1, 1));
  }

  private static Tensor shortTime(Call call) {
    Tensor signal = call.in(0);
    long step = call.longs(1)[0];
    long length = call.has(3) ? call.longs(3)[0] : call.has(2) ? call.in(2).dim(0) : signal.dim(1);
    long frames = (signal.dim(1) - length) / step + 1;
    if (step < 1 || length < 1 || frames < 1) {
      throw call.error("frames of %d every %d do not fit %s", length, step, signal.shape());
    }
    Tensor places =
        Tensor.arange(frames, DType.I64)
            .mul((double) step)
            .reshape(frames, 1)
            .add(Tensor.arange(length, DType.I64).reshape(1, length));
    Tensor cut = signal.gather(1, places);
    Tensor windowed = call.has(2) ? cut.mul(call.in(2).to(cut.dtype()).reshape(length, 1)) : cut;
    return complex(windowed, length, false, call.flag("onesided", true));
  }

  /** Triangles that are equally wide on the mel scale, [dft_length / 2 + 1, mel bins]. */
  private static Tensor mel(Call call) {
    int count = (int) call.longs(0)[0];
    int length = (int) call.longs(1)[0];
    long rate = call.longs(2)[0];
    double low = melOf(call.doubles(3)[0]);
    double high = melOf(call.doubles(4)[0]);
    int bins = length / 2 + 1;
    int[] edges = new int[count + 2];
    for (int i = 0; i < edges.length; i++) {
      double mel = low + i * (high - low) / (count + 2);
      double hertz = 700 * (Math.pow(10, mel / 2595) - 1);
      edges[i] = (int) Math.floor((length + 1) * hertz / rate);
      if (edges[i] < 0 || edges[i] >= bins) {
        throw call.error("frequency %s does not fit %d bins", hertz, bins);
      }
    }
    double[] weights = new double[bins * count];
    for (int i = 0; i < count; i++) {
      int from = edges[i];
      int middle = edges[i + 1];
      int to = edges[i + 2];
      weights[middle * count + i] = 1;
      for (int j = from; j < middle; j++) {
        weights[j * count + i] = (double) (j - from) / (middle - from);
      }
      for (int j = middle + 1; j < to; j++) {
        weights[j * count + i] = (double) (to - j) / (to - middle);
      }
    }
    return OnnxValue.doubles(
        call.dtype(call.integer("output_datatype", 1)), Shape.of(bins, count), weights);
  }

  private static double melOf(double hertz) {
    return 2595 * Math.log10(1 + hertz / 700);
  }
}
