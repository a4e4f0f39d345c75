package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.ArgReduce;
import io.quern.op.Reduce;
import java.util.List;
import java.util.function.Consumer;

/** Folds over axes, element by element in row-major order. */
final class ReferenceReduce {
  private ReferenceReduce() {}

  /** The input split into the dimensions that stay and those that are folded. */
  private record Split(Shape kept, Elements keptIn, Elements out, Shape folded, Elements foldedIn) {
    static Split of(KernelKey key, List<Integer> axes, boolean keepDims) {
      Shape shape = key.shape(0);
      Elements in = Elements.of(key, 0);
      Elements out = Elements.of(key, 1);
      boolean[] isFolded = new boolean[shape.rank()];
      axes.forEach(axis -> isFolded[shape.axis(axis)] = true);
      int count = axes.size();
      long[] kept = new long[shape.rank() - count];
      long[] keptIn = new long[kept.length];
      long[] keptOut = new long[kept.length];
      long[] folded = new long[count];
      long[] foldedIn = new long[count];
      int k = 0;
      int f = 0;
      for (int d = 0; d < shape.rank(); d++) {
        if (isFolded[d]) {
          folded[f] = shape.dim(d);
          foldedIn[f++] = in.stride(d);
        } else {
          kept[k] = shape.dim(d);
          keptIn[k] = in.stride(d);
          keptOut[k] = out.stride(keepDims ? d : k);
          k++;
        }
      }
      return new Split(
          Shape.of(kept),
          new Elements(in.dtype(), keptIn),
          new Elements(out.dtype(), keptOut),
          Shape.of(folded),
          new Elements(in.dtype(), foldedIn));
    }
  }

  static Consumer<Operands> reduce(KernelKey key, Reduce reduce) {
    Split split = Split.of(key, reduce.axes(), reduce.keepDims());
    boolean isFloat = key.dtype(0).isFloat();
    return memory -> {
      Walk outer = new Walk(split.kept, split.keptIn, split.out);
      Walk inner = new Walk(split.folded, split.foldedIn);
      for (boolean more = outer.start(memory); more; more = outer.next()) {
        boolean any = inner.start(outer.address(0));
        if (isFloat) {
          split.out.put(outer.address(1), foldFloat(reduce.fn(), split.foldedIn, inner, any));
        } else {
          split.out.put(outer.address(1), foldInteger(reduce.fn(), split.foldedIn, inner, any));
        }
      }
    };
  }

  private static double foldFloat(Reduce.Fn fn, Elements in, Walk walk, boolean any) {
    double result =
        switch (fn) {
          case SUM -> 0;
          case PROD -> 1;
          case MAX -> Double.NEGATIVE_INFINITY;
          case MIN -> Double.POSITIVE_INFINITY;
        };
    for (boolean more = any; more; more = walk.next()) {
      double x = in.getDouble(walk.address(0));
      result =
          switch (fn) {
            case SUM -> result + x;
            case PROD -> result * x;
            case MAX -> Math.max(result, x);
            case MIN -> Math.min(result, x);
          };
    }
    return result;
  }

  private static long foldInteger(Reduce.Fn fn, Elements in, Walk walk, boolean any) {
    long result =
        switch (fn) {
          case SUM -> 0;
          case PROD -> 1;
          case MAX, MIN -> any ? in.getLong(walk.address(0)) : 0;
        };
    for (boolean more = any; more; more = walk.next()) {
      long x = in.getLong(walk.address(0));
      result =
          switch (fn) {
            case SUM -> result + x;
            case PROD -> result * x;
            case MAX -> in.compare(result, x) < 0 ? x : result;
            case MIN -> in.compare(result, x) > 0 ? x : result;
          };
    }
    return result;
  }

  static Consumer<Operands> argReduce(KernelKey key, ArgReduce reduce) {
    Split split = Split.of(key, List.of(reduce.axis()), reduce.keepDims());
    boolean wantsMax = reduce.fn() == ArgReduce.Fn.ARGMAX;
    boolean isFloat = key.dtype(0).isFloat();
    return memory -> {
      Elements in = split.foldedIn;
      Walk outer = new Walk(split.kept, split.keptIn, split.out);
      Walk inner = new Walk(split.folded, in);
      for (boolean more = outer.start(memory); more; more = outer.next()) {
        long bestAt = 0;
        long best = outer.address(0);
        long at = 0;
        for (boolean any = inner.start(best); any; any = inner.next()) {
          long candidate = inner.address(0);
          boolean better =
              isFloat
                  ? beats(in.getDouble(candidate), in.getDouble(best), wantsMax)
                  : in.compare(in.getLong(candidate), in.getLong(best)) * (wantsMax ? 1 : -1) > 0;
          if (better) {
            best = candidate;
            bestAt = at;
          }
          at++;
        }
        split.out.put(outer.address(1), bestAt);
      }
    };
  }

  private static boolean beats(double candidate, double best, boolean wantsMax) {
    if (Double.isNaN(best)) {
      return false;
    }
    return Double.isNaN(candidate) || (wantsMax ? candidate > best : candidate < best);
  }
}
