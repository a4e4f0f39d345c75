package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;

/** Products of matrices. */
final class MatMulOps {
  private MatMulOps() {}

  static void addTo(OpTable table) {
    table.op("MatMul", 1, call -> matmul(call.in(0), call.in(1)));
    table.op("Gemm", 1, MatMulOps::gemm);
    table.op("Einsum", 12, call -> Einsum.apply(call, call.text("equation", ""), call.tensors()));
    table.eager("Det", 11, MatMulOps::determinant);
  }

  /** NumPy's matmul: a vector is a row on the left, a column on the right. */
  static Tensor matmul(Tensor left, Tensor right) {
    Tensor a = left.rank() == 1 ? left.unsqueeze(0) : left;
    Tensor b = right.rank() == 1 ? right.unsqueeze(1) : right;
    Tensor product = a.matmul(b);
    if (right.rank() == 1) {
      product = product.squeeze(-1);
    }
    return left.rank() == 1 ? product.squeeze(right.rank() == 1 ? -1 : -2) : product;
  }

  static Tensor gemm(Call call) {
    Tensor a = call.flag("transA", false) ? call.in(0).transpose(0, 1) : call.in(0);
    Tensor b = call.flag("transB", false) ? call.in(1).transpose(0, 1) : call.in(1);
    Tensor product = scaled(a.matmul(b), call.number("alpha", 1));
    double beta = call.number("beta", 1);
    return call.has(2) && beta != 0 ? product.add(scaled(call.in(2), beta)) : product;
  }

  private static Tensor scaled(Tensor x, double factor) {
    if (factor == 1) {
      return x;
    }
    return x.dtype().isFloat() ? x.mul(factor) : x.to(DType.F64).mul(factor).to(x.dtype());
  }

  private static OnnxValue[] determinant(Call call) {
    Tensor x = call.known(0);
    int n = x.shape().intDim(-1);
    double[] all = x.toDoubleArray();
    Shape shape = x.shape().slice(0, x.rank() - 2);
    double[] results = new double[(int) shape.size()];
    for (int i = 0; i < results.length; i++) {
      double[][] rows = new double[n][n];
      for (int r = 0; r < n; r++) {
        System.arraycopy(all, (i * n + r) * n, rows[r], 0, n);
      }
      results[i] = determinant(rows);
    }
    return OnnxValue.all(OnnxValue.doubles(x.dtype(), shape, results));
  }

  /** By elimination with row exchanges. */
  private static double determinant(double[][] rows) {
    double result = 1;
    for (int k = 0; k < rows.length; k++) {
      int pivot = k;
      for (int r = k + 1; r < rows.length; r++) {
        pivot = Math.abs(rows[r][k]) > Math.abs(rows[pivot][k]) ? r : pivot;
      }
      if (rows[pivot][k] == 0) {
        return 0;
      }
      if (pivot != k) {
        double[] swapped = rows[k];
        rows[k] = rows[pivot];
        rows[pivot] = swapped;
        result = -result;
      }
      result *= rows[k][k];
      for (int r = k + 1; r < rows.length; r++) {
        double factor = rows[r][k] / rows[k][k];
        for (int c = k; c < rows.length; c++) {
          rows[r][c] -= factor * rows[k][c];
        }
      }
    }
    return result;
  }
}
