package io.quern.reference;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Binary;
import io.quern.op.Compare;
import io.quern.op.Unary;
import java.util.function.Consumer;

/** Ops whose output elements depend on the input elements at the same position only. */
final class ReferenceElementwise {
  private ReferenceElementwise() {}

  static Consumer<Operands> unary(KernelKey key, Unary.Fn fn) {
    Elements in = Elements.of(key, 0);
    Elements out = Elements.of(key, 1);
    boolean isFloat = in.dtype().isFloat();
    return memory -> {
      Walk walk = new Walk(key.shape(1), in, out);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        if (isFloat) {
          out.put(walk.address(1), fn.apply(in.getDouble(walk.address(0))));
        } else {
          out.put(walk.address(1), onInteger(fn, in, in.getLong(walk.address(0))));
        }
      }
    };
  }

  private static long onInteger(Unary.Fn fn, Elements type, long x) {
    return switch (fn) {
      case NEG -> -x;
      case ABS -> type.compare(x, 0) < 0 ? -x : x;
      case SIGN -> Integer.signum(type.compare(x, 0));
      case SQUARE -> x * x;
      case RELU -> type.compare(x, 0) < 0 ? 0 : x;
      default -> throw new IllegalArgumentException(fn + " needs a float dtype");
    };
  }

  static Consumer<Operands> binary(KernelKey key, Binary.Fn fn) {
    Shape shape = key.shape(2);
    Elements left = Elements.broadcast(key, 0, shape);
    Elements right = Elements.broadcast(key, 1, shape);
    Elements out = Elements.of(key, 2);
    boolean isFloat = left.dtype().isFloat();
    return memory -> {
      Walk walk = new Walk(shape, left, right, out);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        long l = walk.address(0);
        long r = walk.address(1);
        if (isFloat) {
          out.put(walk.address(2), fn.apply(left.getDouble(l), right.getDouble(r)));
        } else {
          out.put(walk.address(2), onIntegers(fn, left, left.getLong(l), right.getLong(r)));
        }
      }
    };
  }

  private static long onIntegers(Binary.Fn fn, Elements type, long x, long y) {
    if (type.dtype() != DType.U64) {
      return fn.apply(x, y);
    }
    return switch (fn) {
      case ADD, SUB, MUL, POW -> fn.apply(x, y);
      case DIV -> y == 0 ? fn.apply(x, y) : Long.divideUnsigned(x, y);
      case MIN -> type.compare(x, y) <= 0 ? x : y;
      case MAX -> type.compare(x, y) >= 0 ? x : y;
      case GATE -> y != 0 ? x : 0;
    };
  }

  static Consumer<Operands> compare(KernelKey key, Compare.Fn fn) {
    Shape shape = key.shape(2);
    Elements left = Elements.broadcast(key, 0, shape);
    Elements right = Elements.broadcast(key, 1, shape);
    Elements out = Elements.of(key, 2);
    boolean isFloat = left.dtype().isFloat();
    return memory -> {
      Walk walk = new Walk(shape, left, right, out);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        long l = walk.address(0);
        long r = walk.address(1);
        boolean holds =
            isFloat
                ? fn.apply(left.getDouble(l), right.getDouble(r))
                : fn.apply(left.compare(left.getLong(l), right.getLong(r)), 0);
        out.put(walk.address(2), holds ? 1L : 0L);
      }
    };
  }

  static Consumer<Operands> where(KernelKey key) {
    Shape shape = key.shape(3);
    Elements condition = Elements.broadcast(key, 0, shape);
    Elements left = Elements.broadcast(key, 1, shape);
    Elements right = Elements.broadcast(key, 2, shape);
    Elements out = Elements.of(key, 3);
    return memory -> {
      Walk walk = new Walk(shape, condition, left, right, out);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        boolean first = condition.getLong(walk.address(0)) != 0;
        out.copy(walk.address(first ? 1 : 2), walk.address(3));
      }
    };
  }

  static Consumer<Operands> cast(KernelKey key) {
    Elements in = Elements.of(key, 0);
    Elements out = Elements.of(key, 1);
    boolean same = in.dtype() == out.dtype();
    boolean isFloat = in.dtype().isFloat() || (in.dtype() == DType.U64 && out.dtype().isFloat());
    return memory -> {
      Walk walk = new Walk(key.shape(1), in, out);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        if (same) {
          out.copy(walk.address(0), walk.address(1));
        } else if (isFloat) {
          out.put(walk.address(1), in.getDouble(walk.address(0)));
        } else {
          out.put(walk.address(1), in.getLong(walk.address(0)));
        }
      }
    };
  }

  /** Writes {@code value} to every element of one operand. */
  static Consumer<Operands> fill(KernelKey key, int operand, double value) {
    Elements out = Elements.of(key, operand);
    return memory -> {
      Walk walk = new Walk(key.shape(operand), out);
      for (boolean more = walk.start(memory.address(operand)); more; more = walk.next()) {
        out.put(walk.address(0), value);
      }
    };
  }

  static Consumer<Operands> iota(KernelKey key) {
    Elements out = Elements.of(key, 0);
    return memory -> {
      long next = 0;
      Walk walk = new Walk(key.shape(0), out);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        out.put(walk.address(0), next++);
      }
    };
  }
}
