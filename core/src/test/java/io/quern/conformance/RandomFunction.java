package io.quern.conformance;

import io.quern.Tensor;
import io.quern.op.Binary;
import io.quern.op.Unary;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;

/**
 * A function made of random ops on tensors of a few shapes. The choices depend on the seed and on
 * shapes alone, so that it does the same whether it runs or is traced.
 */
final class RandomFunction implements Function<List<Tensor>, List<Tensor>> {
  private static final int OPS = 24;

  private static final Unary.Fn[] UNARY = {
    Unary.Fn.NEG,
    Unary.Fn.ABS,
    Unary.Fn.RELU,
    Unary.Fn.TANH,
    Unary.Fn.SIGMOID,
    Unary.Fn.SIN,
    Unary.Fn.GELU,
    Unary.Fn.SOFTSIGN,
    Unary.Fn.SQUARE
  };

  private static final Binary.Fn[] BINARY = {
    Binary.Fn.ADD, Binary.Fn.SUB, Binary.Fn.MUL, Binary.Fn.MIN, Binary.Fn.MAX, Binary.Fn.GATE
  };

  private final long seed;
  private final List<Tensor> weights;

  RandomFunction(long seed, List<Tensor> weights) {
    this.seed = seed;
    this.weights = weights;
  }

  @Override
  public List<Tensor> apply(List<Tensor> inputs) {
    SplittableRandom random = new SplittableRandom(seed);
    List<Tensor> pool = new ArrayList<>(inputs);
    pool.addAll(weights);
    for (int i = 0; i < OPS; i++) {
      Tensor x = pool.get(random.nextInt(pool.size()));
      Tensor y = pool.get(random.nextInt(pool.size()));
      pool.add(step(random, x, y));
    }
    List<Tensor> outputs = new ArrayList<>(List.of(pool.getLast()));
    for (int i = 0; i < 2; i++) {
      outputs.add(pool.get(random.nextInt(pool.size())));
    }
    return outputs;
  }

  private static Tensor step(SplittableRandom random, Tensor x, Tensor y) {
    int choice = random.nextInt(16);
    int axis = random.nextInt(2);
    return switch (choice) {
      case 0, 1, 2, 3 -> x.map(UNARY[random.nextInt(UNARY.length)]);
      case 4, 5, 6, 7 ->
          broadcasts(x, y)
              ? Tensor.apply(new Binary(BINARY[random.nextInt(BINARY.length)]), x, y)
              : x.mul(0.5);
      case 8 -> x.add(random.nextInt(3) - 1.0);
      case 9 -> x.mul(random.nextInt(3));
      case 10 -> x.rank() == 2 ? x.transpose(0, 1) : x.tanh();
      case 11 -> x.rank() == 2 ? x.softmax(axis) : x.sigmoid();
      case 12 -> x.rank() == 2 ? x.meanKeep(axis) : x.neg();
      case 13 -> x.rank() == 2 && y.rank() == 2 && x.dim(1) == y.dim(0) ? x.matmul(y) : x.relu();
      case 14 -> x.rank() == 2 && x.dim(axis) > 1 ? x.slice(axis, 1, x.dim(axis)) : x.abs();
      default -> x.rank() == 2 ? x.reshape(x.size()).reshape(x.dim(1), x.dim(0)) : x.square();
    };
  }

  private static boolean broadcasts(Tensor x, Tensor y) {
    for (int d = 1; d <= Math.min(x.rank(), y.rank()); d++) {
      if (x.dim(-d) != y.dim(-d) && x.dim(-d) != 1 && y.dim(-d) != 1) {
        return false;
      }
    }
    return true;
  }
}
