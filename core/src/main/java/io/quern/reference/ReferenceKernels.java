package io.quern.reference;

import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.AdamStep;
import io.quern.op.ArgReduce;
import io.quern.op.AttentionGrad;
import io.quern.op.Binary;
import io.quern.op.Cast;
import io.quern.op.Compare;
import io.quern.op.Composite;
import io.quern.op.Concat;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.CumSum;
import io.quern.op.Fill;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.Iota;
import io.quern.op.MatMul;
import io.quern.op.NormGrad;
import io.quern.op.Pad;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Random;
import io.quern.op.Reduce;
import io.quern.op.SgdStep;
import io.quern.op.Sort;
import io.quern.op.TakeAlong;
import io.quern.op.TakeAlongGrad;
import io.quern.op.TopK;
import io.quern.op.Unary;
import io.quern.op.View;
import io.quern.op.Where;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A kernel in host memory for every primitive op, for all dtypes the op admits and all layouts.
 * Floats are computed in double precision, sums included, and rounded once to the dtype of the
 * output; integers are computed in 64 bits.
 */
public final class ReferenceKernels {
  private ReferenceKernels() {}

  private record ReferenceKernel(Consumer<Operands> body) implements Kernel {
    @Override
    public void run(Operands operands) {
      body.accept(operands);
    }

    @Override
    public String name() {
      return "reference";
    }
  }

  /** The kernel for {@code key}; empty for views and composites, which need none. */
  public static Optional<Kernel> find(KernelKey key) {
    Consumer<Operands> body =
        switch (key.op()) {
          case View _ -> null;
          case Composite _ -> null;
          case Unary unary -> ReferenceElementwise.unary(key, unary.fn());
          case Binary binary -> ReferenceElementwise.binary(key, binary.fn());
          case Compare compare -> ReferenceElementwise.compare(key, compare.fn());
          case Where _ -> ReferenceElementwise.where(key);
          case Cast _ -> ReferenceElementwise.cast(key);
          case Fill fill -> ReferenceElementwise.fill(key, 0, fill.value());
          case Iota _ -> ReferenceElementwise.iota(key);
          case Random random -> ReferenceRandom.random(key, random.distribution());
          case Reduce reduce -> ReferenceReduce.reduce(key, reduce);
          case ArgReduce argReduce -> ReferenceReduce.argReduce(key, argReduce);
          case MatMul _ -> ReferenceMatMul.matMul(key);
          case Conv2d conv -> new ReferenceConv(conv.window(), conv.groups()).forward(key);
          case Conv2dInputGrad conv ->
              new ReferenceConv(conv.window(), conv.groups()).inputGrad(key);
          case Conv2dWeightGrad conv ->
              new ReferenceConv(conv.window(), conv.groups()).weightGrad(key);
          case Pool2d pool -> new ReferencePool(pool).forward(key);
          case Pool2dGrad grad -> new ReferencePool(grad.pool()).grad(key);
          case Gather gather -> ReferenceIndexing.gather(key, gather.axis());
          case GatherGrad grad -> ReferenceIndexing.gatherGrad(key, grad.axis());
          case TakeAlong take -> ReferenceIndexing.takeAlong(key, take.axis());
          case TakeAlongGrad grad -> ReferenceIndexing.takeAlongGrad(key, grad.axis());
          case Concat concat -> ReferenceIndexing.concat(key, concat.axis());
          case Pad pad -> ReferenceIndexing.pad(key, pad);
          case CumSum cumSum -> ReferenceScan.cumSum(key, cumSum);
          case Sort sort -> ReferenceScan.sort(key, sort);
          case TopK topK -> ReferenceScan.topK(key, topK);
          case AttentionGrad grad -> ReferenceAttention.grad(key, grad);
          case NormGrad grad -> ReferenceNorm.grad(key, grad);
          case SgdStep step -> ReferenceOptim.sgd(key, step);
          case AdamStep step -> ReferenceOptim.adam(key, step);
        };
    return Optional.ofNullable(body).map(ReferenceKernel::new);
  }
}
